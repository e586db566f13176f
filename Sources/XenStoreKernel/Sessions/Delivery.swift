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
        /// A request is outstanding until this is out, and nothing else.
        var isReply = false
        /// When the event may be dropped; set at the end of the turn, when the time is known.
        var deadline: Moment?
    }

    private(set) var marks: [Mark] = []
    private var first = 0
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
            let mark = marks[first]
            if mark.event != 0 { events.remove(mark.event) }
            mark.cause?.settleOne()
            if mark.isReply { replies += 1 }
            marks[first].cause = nil
            first += 1
        }
        if first == marks.count {
            marks.removeAll(keepingCapacity: marks.count <= 64)
            first = 0
        }
        return replies
    }

    /// The first event whose time is over and of which nothing has gone out; it is forgotten, and
    /// what lies behind it moves up by its length.
    mutating func takeExpired(at now: Moment, sent: UInt64) -> Range<UInt64>? {
        guard let at = marks[first...].firstIndex(where: { $0.start >= sent && ($0.deadline.map { $0 <= now } ?? false) })
        else { return nil }
        let mark = marks.remove(at: at)
        if mark.event != 0 { events.remove(mark.event) }
        mark.cause?.settleOne()
        let length = mark.end - mark.start
        for later in at..<marks.count {
            marks[later].start -= length
            marks[later].end -= length
        }
        return mark.start..<mark.end
    }

    /// Sets the deadline of the events that have none yet.
    mutating func setDeadlines(_ deadline: Moment) {
        for index in first..<marks.count where marks[index].deadline == nil && !marks[index].isReply {
            marks[index].deadline = deadline
        }
    }

    /// When the first event may be dropped, if any may.
    var nextDeadline: Moment? { marks[first...].compactMap(\.deadline).min() }

    /// Forgets what was appended at or behind `position`. Returns how many replies that were.
    mutating func truncate(to position: UInt64) -> Int {
        var replies = 0
        while marks.count > first, let last = marks.last, last.start >= position {
            if last.event != 0 { events.remove(last.event) }
            last.cause?.settleOne()
            if last.isReply { replies += 1 }
            marks.removeLast()
        }
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
