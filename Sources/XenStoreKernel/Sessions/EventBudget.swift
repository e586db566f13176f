// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Events that wait for their reader. An unprivileged reader has a budget of its own for them, apart from its
/// memory: a writer must not use up its victim's memory. Beyond the budget a guest that causes events waits
/// until they are read, but no longer than the event time-out. Then they are dropped, and so is what else is
/// beyond the budget until the reader reads again. No event is ever replaced by one on another path: kernels
/// ignore those that they do not expect.
extension Machine {
    /// What becomes of an event.
    enum Admission {
        case event
        case excess
        case dropped
    }

    /// Whether an event of `bytes` may be queued for the session.
    mutating func admission(of bytes: Int, to session: Session) -> Admission {
        if session.isPrivileged { return isGivenUp(session, bytes) ? .dropped : .event }
        let limit = accounts.limit(of: .eventMemory, session)
        let footprint = bytes + Delivery.Mark.overhead
        let held = accounts.ledger[session.domain].events
        // One finds room in any budget: otherwise nobody could be told of anything.
        if limit == 0 || held == 0 || held + footprint <= limit { return .event }
        // As much again for those that somebody waits for and for dom0's, who waits for nobody.
        if !session.isDeaf, session.delivery.excess + footprint <= limit { return .excess }
        countDropped(1, of: session)
        return .dropped
    }

    /// A privileged client that has not read for long is given up, so that it knows.
    private mutating func isGivenUp(_ session: Session, _ bytes: Int) -> Bool {
        let limit = session.peer.limits.map { $0.memory } ?? 0
        if session.outbox.count + bytes <= (limit > 0 ? limit : Machine.unsentLimit) { return false }
        log(.warning, "\(session.name): does not read its events, \(session.outbox.count) bytes wait; closing")
        session.isEnding = true
        session.endReason = .peerNotReading
        touch(session)
        return true
    }

    /// Unsent bytes above which a client that does not read its events is given up.
    private static let unsentLimit = 32 * 1024 * 1024

    /// Something of the session's is out: there may be room for events that were beyond its budget.
    mutating func admitExcess(of session: Session) {
        if session.delivery.excess == 0 || session.isPrivileged { return }
        let limit = accounts.limit(of: .eventMemory, session)
        let room = limit == 0 ? .max : limit - accounts.ledger[session.domain].events
        let admitted = session.delivery.admit(within: room)
        accounts.ledger.adjustEvents(of: session.domain, by: admitted.bytes)
        for other in admitted.freed { reconsider(other) }
    }

    /// Remembers that events of this session have to be dropped if they do not get out.
    mutating func awaitDeadlines(of session: Session) {
        if session.delivery.excess == 0 { return }
        let timeout = accounts.limit(of: .eventTimeout, session)
        if timeout == 0 { return }
        session.delivery.setDeadlines(now.advanced(byMilliseconds: UInt64(timeout) * 1000))
        if session.isWaiting { return }
        guard let deadline = session.delivery.nextDeadline(sent: session.outbox.sentPosition) else { return }
        session.isWaiting = true
        waiting.append(session)
        nextExpiry = min(nextExpiry ?? deadline, deadline)
    }

    /// Drops the events whose time is over and says when to look again.
    mutating func expireEvents() -> Moment? {
        guard let due = nextExpiry else { return nil }
        if now < due { return due }
        nextExpiry = nil
        let all = waiting
        waiting = []
        for session in all {
            let sent = session.outbox.sentPosition
            let (gone, freed) = session.delivery.takeExpired(at: now, sent: sent)
            if !gone.isEmpty { drop(gone, of: session) }
            for other in freed { reconsider(other) }
            let deadline = session.isOpen ? session.delivery.nextDeadline(sent: sent) : nil
            session.isWaiting = deadline != nil
            guard let deadline else { continue }
            nextExpiry = min(nextExpiry ?? deadline, deadline)
            waiting.append(session)
        }
        return nextExpiry
    }

    private mutating func drop(_ events: [Range<UInt64>], of session: Session) {
        session.isDeaf = true
        _ = session.outbox.remove(events)
        session.turnStart = session.outbox.position
        unsentChanged(of: session)
        countDropped(events.count, of: session)
        reconsider(session)
    }

    private func countDropped(_ count: Int, of session: Session) {
        session.droppedEvents += count
        guard accounts.mayComplain(of: session.domain, .eventsDropped) else { return }
        log(
            .warning,
            "domain \(session.domain.rawValue) does not read its events: \(session.droppedEvents) were dropped so far")
    }
}
