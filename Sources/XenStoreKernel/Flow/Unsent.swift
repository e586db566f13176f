// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Counts the unsent bytes of clients, and bounds the events that wait for a reader.
///
/// An unprivileged reader has a budget for events, apart from its memory: a writer must not use up its victim's memory.
/// Above the budget, a guest that causes events waits until they are read, but not longer than the event time-out. Then
/// they are dropped, and all other events above the budget as well, until the reader reads again. An event never
/// replaces an event on another path: kernels ignore events that they do not expect.
final class Unsent {
    private let sessions: Sessions
    private let accounts: Accounts
    private let flow: FlowControl
    private let streams: Streams
    private let log: (LogLevel, String) -> Void
    /// The sessions with events that may be dropped after a while, and the time at which the first may be.
    private var waiting: [Session] = []
    private var nextExpiry: Moment?

    /// A privileged client with more unsent bytes does not read its events. The daemon closes its connection.
    private static let unsentBytesToClose = 32 * 1024 * 1024

    init(
        sessions: Sessions, accounts: Accounts, flow: FlowControl, streams: Streams,
        log: @escaping (LogLevel, String) -> Void
    ) {
        self.sessions = sessions
        self.accounts = accounts
        self.flow = flow
        self.streams = streams
        self.log = log
    }

    // MARK: Sent

    /// `count` bytes of the session were sent.
    @inline(__always)
    func sent(_ count: Int, of session: Session) {
        session.consume(count)
        if !session.delivery.isEmpty { settle(session, upTo: session.position.sent) }
    }

    /// Drops all unsent bytes of a session that ends.
    func drop(all session: Session) {
        settle(session, upTo: .max)
        session.consume(session.unsentCount)
    }

    private func settle(_ session: Session, upTo place: UInt64) {
        let settled = session.delivery.settle(upTo: place)
        if settled.eventBytes > 0 { session.isDeaf = false }
        release(settled, of: session)
        admitExcess(of: session)
    }

    /// Drops the bytes of the session's stream at or after `place`, with everything that was counted for them.
    func truncate(_ session: Session, to place: UInt64) {
        guard session.position.made > place else { return }
        session.truncate(to: place)
        release(session.delivery.truncate(to: place), of: session)
    }

    private func release(_ settled: Delivery.Settled, of session: Session) {
        accounts.release(settled, of: session)
        for other in settled.freed { flow.reconsider(other) }
    }

    // MARK: Appended

    /// Appends a reply. A reply to an unprivileged domain counts to its memory, and keeps its request outstanding.
    /// `outstanding` is that request, if it waits for more than the reply.
    @inline(__always)
    func append(
        _ header: Header, _ payload: UnsafeRawBufferPointer, to session: Session, _ outstanding: OutstandingRequest?
    ) {
        let start = session.position.made
        session.append(header, payload)
        if !session.isPrivileged { count(replyFrom: start, of: session, outstanding) }
        sessions.touch(session)
    }

    /// Appends a whole reply that a rollback has dropped, and that stays.
    func append(again reply: UnsafeRawBufferPointer, to session: Session) {
        let start = session.position.made
        session.extend(by: reply.count).copyMemory(from: reply)
        if !session.isPrivileged { count(replyFrom: start, of: session, nil) }
        sessions.touch(session)
    }

    private func count(replyFrom start: UInt64, of session: Session, _ outstanding: OutstandingRequest?) {
        let end = session.position.made
        accounts.ledger.adjustMemory(of: session.domain, by: Int(end - start))
        if let outstanding {
            outstanding.addOne()
        } else {
            accounts.ledger.adjustOutstanding(of: session.domain, by: 1)
        }
        session.delivery.append(Delivery.Mark(start: start, end: end, event: 0, cause: outstanding, kind: .reply))
    }

    /// Appends bytes that an earlier daemon has left unsent.
    func append(rest: UnsafeRawBufferPointer, to session: Session) {
        let start = session.position.made
        session.extend(by: rest.count).copyMemory(from: rest)
        if session.isPrivileged { return }
        accounts.ledger.adjustMemory(of: session.domain, by: rest.count)
        session.delivery.append(
            Delivery.Mark(start: start, end: session.position.made, event: 0, cause: nil, kind: .rest))
    }

    /// Makes room for an admitted event of `count` bytes, which the caller must write. `key`: see
    /// ``Delivery/Mark/event``. `waiting` is the request that waits for the reader.
    func extend(
        by count: Int, of session: Session, forEvent key: UInt64, isExcess: Bool, waiting: OutstandingRequest?
    ) -> UnsafeMutableRawBufferPointer {
        let start = session.position.made
        let room = session.extend(by: count)
        let mark = Delivery.Mark(
            start: start, end: session.position.made, event: key, cause: waiting, kind: isExcess ? .excess : .event)
        session.delivery.append(mark)
        if !isExcess, !session.isPrivileged {
            accounts.ledger.adjustEvents(of: session.domain, by: mark.footprint)
        }
        sessions.touch(session)
        return room
    }

    // MARK: Events

    /// What happens to an event.
    enum Admission {
        case event
        case excess
        case dropped
    }

    /// Whether an event of `bytes` may be queued for the session.
    func admission(of bytes: Int, to session: Session) -> Admission {
        if session.isPrivileged { return closes(session, bytes) ? .dropped : .event }
        let limit = accounts.limit(of: .eventMemory, session)
        let footprint = bytes + Delivery.Mark.overhead
        let held = accounts.ledger[session.domain].events
        // One event always has room: otherwise a domain with a small budget would never get any.
        if limit == 0 || held == 0 || held + footprint <= limit { return .event }
        // The same amount again is for events that a guest waits for, and for dom0's, which waits for nobody.
        if !session.isDeaf, session.delivery.excess + footprint <= limit { return .excess }
        countDropped(1, of: session)
        return .dropped
    }

    /// Closes the connection of a privileged client that has not read for long, so that it notices.
    private func closes(_ session: Session, _ bytes: Int) -> Bool {
        let limit = session.peer.limits.map { $0.memory } ?? 0
        if session.unsentCount + bytes <= (limit > 0 ? limit : Unsent.unsentBytesToClose) { return false }
        log(.warning, "\(session.name): does not read its events, \(session.unsentCount) bytes wait; closing")
        session.isEnding = true
        session.endReason = .peerNotReading
        sessions.touch(session)
        return true
    }

    /// Admits events above the budget, because bytes of the session were sent, and there may be room now.
    func admitExcess(of session: Session) {
        if session.delivery.excess == 0 || session.isPrivileged { return }
        let limit = accounts.limit(of: .eventMemory, session)
        let room = limit == 0 ? .max : limit - accounts.ledger[session.domain].events
        let admitted = session.delivery.admit(within: room)
        accounts.ledger.adjustEvents(of: session.domain, by: admitted.bytes)
        for other in admitted.freed { flow.reconsider(other) }
    }

    // MARK: Expiry

    /// Whether events must be dropped if they are not read in time.
    @inline(__always) var awaitsDeadlines: Bool { nextExpiry != nil }

    /// Remembers that events of this session must be dropped if it does not read them in time.
    @inline(__always)
    func awaitDeadlines(of session: Session) {
        if session.delivery.excess > 0 { awaitDeadlinesOfExcess(of: session) }
    }

    private func awaitDeadlinesOfExcess(of session: Session) {
        let timeout = accounts.limit(of: .eventTimeout, session)
        if timeout == 0 { return }
        session.delivery.setDeadlines(accounts.now.advanced(byMilliseconds: UInt64(timeout) * 1000))
        if session.isWaiting { return }
        guard let deadline = session.delivery.nextDeadline(sent: session.position.sent) else { return }
        session.isWaiting = true
        waiting.append(session)
        nextExpiry = min(nextExpiry ?? deadline, deadline)
    }

    /// Drops the events whose time is over. Returns the time of the next check.
    @inline(__always)
    func expire() -> Moment? {
        guard let due = nextExpiry else { return nil }
        return accounts.now < due ? due : dropExpired(at: accounts.now)
    }

    private func dropExpired(at now: Moment) -> Moment? {
        nextExpiry = nil
        let all = waiting
        waiting = []
        for session in all {
            let sent = session.position.sent
            let (gone, freed) = session.delivery.takeExpired(at: now, sent: sent)
            if !gone.isEmpty { drop(gone, of: session) }
            for other in freed { flow.reconsider(other) }
            let deadline = session.isOpen ? session.delivery.nextDeadline(sent: sent) : nil
            session.isWaiting = deadline != nil
            guard let deadline else { continue }
            nextExpiry = min(nextExpiry ?? deadline, deadline)
            waiting.append(session)
        }
        return nextExpiry
    }

    private func drop(_ events: [Range<UInt64>], of session: Session) {
        session.isDeaf = true
        session.remove(events)
        session.position.beginTurn()
        streams.unsentChanged(of: session)
        countDropped(events.count, of: session)
        flow.reconsider(session)
    }

    private func countDropped(_ count: Int, of session: Session) {
        session.droppedEvents += count
        guard accounts.mayComplain(of: session.domain, .eventsDropped) else { return }
        log(
            .warning,
            "domain \(session.domain.rawValue) does not read its events: \(session.droppedEvents) were dropped so far")
    }
}
