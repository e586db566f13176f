// SPDX-License-Identifier: Apache-2.0

import XenStoreWire

/// What is still on its way to a peer and that somebody waits for to arrive: events, so that an
/// equal one is not queued behind them, and the replies and events of unprivileged domains, whose
/// requests count as outstanding until they are out.
struct Delivery {
    struct Mark {
        /// Where the message lies in the stream of the outbox.
        var start: UInt64
        var end: UInt64
        /// What makes the event equal to another; 0 for replies and for events of special nodes.
        var event: UInt64
        /// The request that is outstanding until this, and maybe more, is out.
        var cause: OutstandingRequest?
        /// A reply is never dropped. Without a cause, its request is outstanding until it is out.
        var isReply = false
        /// When the event may be dropped; set at the end of the turn, when the time is known.
        var deadline: Moment?
    }

    private(set) var marks: [Mark] = []
    private var first = 0
    /// The marks below this index have a deadline if they may be dropped. Deadlines go up.
    private var dated = 0
    private var events: Set<UInt64> = []

    var isEmpty: Bool { first == marks.count }

    /// Whether an equal event is still on its way.
    func contains(event: UInt64) -> Bool { events.contains(event) }

    mutating func append(_ mark: Mark) {
        marks.append(mark)
        if mark.event != 0 { events.insert(mark.event) }
    }

    /// Everything before `position` has gone out. Returns how many replies that settled.
    mutating func settle(upTo position: UInt64) -> Int {
        var replies = 0
        while first < marks.count, marks[first].end <= position {
            replies += forget(marks[first])
            marks[first].cause = nil
            first += 1
        }
        if first == marks.count {
            marks.removeAll(keepingCapacity: marks.count <= 64)
            (first, dated) = (0, 0)
        } else if first >= 64, first > marks.count / 2 {
            // A reader that is always a little behind must not make this grow.
            marks.removeFirst(first)
            (first, dated) = (0, max(0, dated - first))
        }
        return replies
    }

    /// Nobody waits for the mark any more. Returns how many replies that were.
    private mutating func forget(_ mark: Mark) -> Int {
        if mark.event != 0 { events.remove(mark.event) }
        mark.cause?.settleOne()
        return mark.isReply && mark.cause == nil ? 1 : 0
    }

    /// Forgets the events whose time is over and of which nothing has gone out, and returns where
    /// they lay, in order; what lies behind each moves up by its length.
    mutating func takeExpired(at now: Moment, sent: UInt64) -> [Range<UInt64>] {
        guard let deadline = nextDeadline(sent: sent), deadline <= now else { return [] }
        var gone: [Range<UInt64>] = []
        var left: [Mark] = []
        var length: UInt64 = 0
        for var mark in marks[first...] {
            if let deadline = mark.deadline, deadline <= now, mark.start >= sent {
                gone.append(mark.start..<mark.end)
                length += mark.end - mark.start
                _ = forget(mark)
            } else {
                mark.start -= length
                mark.end -= length
                left.append(mark)
            }
        }
        dated = max(0, dated - first - gone.count)
        marks = left
        first = 0
        return gone
    }

    /// Sets the deadline of the events that have none yet. It is no earlier than those before it.
    mutating func setDeadlines(_ deadline: Moment) {
        for index in max(first, dated)..<marks.count where !marks[index].isReply {
            marks[index].deadline = deadline
        }
        dated = marks.count
    }

    /// When the first event may be dropped of which nothing has gone out, if any may. Looks past
    /// replies only, of which there are few.
    func nextDeadline(sent: UInt64) -> Moment? {
        marks[first...].first { $0.deadline != nil && $0.start >= sent }?.deadline
    }

    /// Forgets what was appended at or behind `position`. Returns how many replies that were.
    mutating func truncate(to position: UInt64) -> Int {
        var replies = 0
        while marks.count > first, let last = marks.last, last.start >= position {
            replies += forget(last)
            marks.removeLast()
        }
        dated = min(dated, marks.count)
        return replies
    }
}

/// A request of an unprivileged domain whose reply, or an event that it caused, is not out yet.
final class OutstandingRequest {
    private weak var session: Session?
    private let ledger: Ledger
    private let domain: DomainID
    private var waiting = 0

    init(of session: Session, ledger: Ledger) {
        self.session = session
        self.ledger = ledger
        domain = session.peer.domain
        ledger.adjustOutstanding(of: domain, by: 1)
    }

    func addOne() { waiting += 1 }

    func settleOne() {
        waiting -= 1
        guard waiting == 0 else { return }
        ledger.adjustOutstanding(of: domain, by: -1)
        if let session { session.kernel.reconsider(session) }
    }
}
