// SPDX-License-Identifier: Apache-2.0

import XenStorePlugin
import XenStoreWire

/// Unsent messages that something depends on: events, so that an equal one is not queued after them, and the replies
/// and events of unprivileged clients, which are counted until they are sent.
struct Delivery {
    struct Mark {
        enum Kind: UInt8 {
            /// Never dropped. If it has no cause, its request is outstanding until it is sent.
            case reply
            /// Counts to the reader's events, if the reader is unprivileged.
            case event
            /// Above the reader's budget for events. A guest that causes it waits for it.
            case excess
            /// Left unsent by an earlier daemon. Counts to memory like a reply, and keeps no request outstanding.
            case rest
        }

        /// The message's place in the stream to the peer.
        var start: UInt64
        var end: UInt64
        /// A number that equal events share; 0 for replies and for events of special nodes.
        var event: UInt64
        /// The request that is outstanding until this message, and maybe others, are sent.
        var cause: OutstandingRequest?
        var kind: Kind
        /// The time at which the event may be dropped. Set at the end of the turn, when the time is known.
        var deadline: Moment?

        /// The bytes of the message.
        var length: Int { Int(end - start) }
        /// The bytes that an event takes, with its mark and its place among events to compare with.
        var footprint: Int { length + Mark.overhead }
        static let overhead = 72
    }

    /// Messages that are no longer on their way.
    struct Settled {
        /// The number of replies whose requests were outstanding for nothing else.
        var replies = 0
        var replyBytes = 0
        var eventBytes = 0

        /// The sessions whose last waiting request waits no longer.
        var freed: [Session] = []

        var isEmpty: Bool { replies == 0 && replyBytes == 0 && eventBytes == 0 }
    }

    private(set) var marks: [Mark] = []
    private var first = 0
    /// The marks below this index have a deadline if they need one. Deadlines grow.
    private var dated = 0
    private var events: Set<UInt64> = []
    /// The bytes of the events above the reader's budget.
    private(set) var excess = 0

    var isEmpty: Bool { first == marks.count }
    /// The marks of messages that are still unsent.
    var pending: ArraySlice<Mark> { marks[first...] }

    /// Whether an equal event is still unsent.
    func contains(event: UInt64) -> Bool { events.contains(event) }

    mutating func append(_ mark: Mark) {
        marks.append(mark)
        if mark.event != 0 { events.insert(mark.event) }
        if mark.kind == .excess { excess += mark.footprint }
    }

    /// Everything before `position` was sent.
    mutating func settle(upTo position: UInt64) -> Settled {
        var settled = Settled()
        while first < marks.count, marks[first].end <= position {
            forget(marks[first], &settled)
            marks[first].cause = nil
            first += 1
        }
        if first == marks.count {
            marks.removeAll(keepingCapacity: marks.count <= 64)
            (first, dated) = (0, 0)
        } else if first >= 64, first > marks.count / 2 {
            // This must not grow if a reader is always a little late.
            marks.removeFirst(first)
            (first, dated) = (0, max(0, dated - first))
        }
        return settled
    }

    /// Removes a mark that nobody waits for any more from all counts.
    private mutating func forget(_ mark: Mark, _ settled: inout Settled) {
        if mark.event != 0 { events.remove(mark.event) }
        if let session = mark.cause?.settleOne() { settled.freed.append(session) }
        switch mark.kind {
        case .reply:
            settled.replyBytes += mark.length
            if mark.cause == nil { settled.replies += 1 }
        case .rest: settled.replyBytes += mark.length
        case .event: settled.eventBytes += mark.footprint
        case .excess: excess -= mark.footprint
        }
    }

    /// Admits events above the budget, the oldest first, as far as `room` bytes allow. Requests that wait for them wait
    /// no longer. Returns the bytes that they take, and the sessions that may be read again.
    mutating func admit(within room: Int) -> (bytes: Int, freed: [Session]) {
        var taken = 0
        var freed: [Session] = []
        for index in first..<marks.count where marks[index].kind == .excess {
            let footprint = marks[index].footprint
            if taken + footprint > room { break }
            taken += footprint
            excess -= footprint
            marks[index].kind = .event
            marks[index].deadline = nil
            if let session = marks[index].cause?.settleOne() { freed.append(session) }
            marks[index].cause = nil
        }
        return (taken, freed)
    }

    /// Forgets the events whose time is over and of which nothing was sent. Returns their places, in order. Later
    /// messages move up by their length.
    mutating func takeExpired(at now: Moment, sent: UInt64) -> (gone: [Range<UInt64>], freed: [Session]) {
        guard let deadline = nextDeadline(sent: sent), deadline <= now else { return ([], []) }
        var gone: [Range<UInt64>] = []
        var left: [Mark] = []
        var length: UInt64 = 0
        var settled = Settled()
        for var mark in marks[first...] {
            if let deadline = mark.deadline, deadline <= now, mark.start >= sent {
                gone.append(mark.start..<mark.end)
                length += mark.end - mark.start
                forget(mark, &settled)
            } else {
                mark.start -= length
                mark.end -= length
                left.append(mark)
            }
        }
        dated = max(0, dated - first - gone.count)
        marks = left
        first = 0
        return (gone, settled.freed)
    }

    /// Sets the deadline of the events that a guest waits for and that have none yet.
    mutating func setDeadlines(_ deadline: Moment) {
        for index in max(first, dated)..<marks.count where marks[index].kind == .excess && marks[index].cause != nil {
            marks[index].deadline = deadline
        }
        dated = marks.count
    }

    /// The time at which the first event may be dropped of which nothing was sent; nil if there is none.
    func nextDeadline(sent: UInt64) -> Moment? {
        if excess == 0 { return nil }
        return marks[first...].first { $0.deadline != nil && $0.start >= sent }?.deadline
    }

    /// Forgets messages that were appended at or after `position`.
    mutating func truncate(to position: UInt64) -> Settled {
        var settled = Settled()
        while marks.count > first, let last = marks.last, last.start >= position {
            forget(last, &settled)
            marks.removeLast()
        }
        dated = min(dated, marks.count)
        return settled
    }
}

/// A request of an unprivileged domain that has caused an event above its reader's budget. The daemon does not read
/// from its domain until the event and the reply were sent.
final class OutstandingRequest {
    private weak var session: Session?
    private let ledger: Ledger
    private let domain: DomainID
    private var waiting = 0

    init(of session: Session, ledger: Ledger) {
        self.session = session
        self.ledger = ledger
        domain = session.peer.domain
        session.heldUp += 1
        ledger.adjustOutstanding(of: domain, by: 1)
    }

    func addOne() { waiting += 1 }

    /// One of its events and replies was sent. Returns its session if that was the last one.
    func settleOne() -> Session? {
        waiting -= 1
        guard waiting == 0 else { return nil }
        ledger.adjustOutstanding(of: domain, by: -1)
        guard let session else { return nil }
        session.heldUp -= 1
        return session
    }
}
