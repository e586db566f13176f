// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// How much work the kernel does, in units of some 25 nanoseconds. Counted, not timed, so that the same
/// requests make the same turns.
enum Work {
    /// A request that does as little as it can.
    static let request = 16
    /// The bytes of a payload, shifted right by this, are units: the kernel reads them, and looks up each level of a
    /// path.
    static let payloadShift = 3
    /// A node that is made, changed or removed, or an event.
    static let change = 8
    /// A node that a request touches in a draft, which the draft may drop later.
    static let draft = 4
    /// A question to the hypervisor about a domain.
    static let question = 64
    /// The end of a domain, besides its nodes.
    static let death = 512
    /// The same shift for a path that must be put together from the names of its nodes.
    static let longPathShift = 2
    /// The same shift for a record for storage.
    static let recordShift = 4
    /// The same shift for an event.
    static let eventShift = 4
    /// A session for which the kernel asks whether it may know of a change.
    static let watch = 2

    /// The work that one turn does for one client. The request that passes the bound is finished.
    static let perClient = 8 * 1024
    /// The work that one turn does for all guests together, so that dom0 waits for a fraction of a millisecond, and for
    /// one long request.
    static let perTurnOfGuests = 16 * 1024
    /// A client with more work in the last moments lets others go first.
    static let heavy = 16 * 1024
    /// The same for the last seconds: a client that can make others wait for long has caused much work before.
    static let heavyForLong = 128 * 1024
    /// A client with less work in the last seconds goes before all others that have limits.
    static let light = 4 * 1024

    /// A path with more bytes may have many levels that do not exist yet.
    static let longPath = 512
    /// A domain that owns more nodes may remove this many in one request.
    static let manyNodes = 128
}

/// The work done for a client: in this turn, in the last moments and in the last seconds.
struct Effort {
    private(set) var inTurn = 0
    private var turn: UInt64 = 0
    /// Fades by half every 16 milliseconds.
    private var lately = Fading(windowBits: 24)
    /// Fades by half every 2 seconds.
    private var forLong = Fading(windowBits: 31)

    @inline(__always)
    mutating func begin(turn: UInt64) {
        if self.turn == turn { return }
        self.turn = turn
        inTurn = 0
    }

    @inline(__always)
    mutating func add(_ work: Int) {
        inTurn &+= work
        lately.amount &+= work
        forLong.amount &+= work
    }

    /// Whether it was so much that others go first.
    mutating func isHeavy(at now: Moment) -> Bool {
        fade(at: now)
        return lately.amount > Work.heavy || forLong.amount > Work.heavyForLong
    }

    /// Whether it was so little that the client goes before others.
    mutating func isLight(at now: Moment) -> Bool {
        fade(at: now)
        return forLong.amount < Work.light
    }

    private mutating func fade(at now: Moment) {
        lately.fade(at: now)
        forLong.fade(at: now)
    }
}

/// An amount that loses half with each window of time that ends.
private struct Fading {
    /// A window is two to the power of this, in nanoseconds.
    let windowBits: UInt64
    var amount = 0
    private var window: UInt64 = 0

    init(windowBits: UInt64) { self.windowBits = windowBits }

    mutating func fade(at now: Moment) {
        let current = now.nanoseconds >> windowBits
        if current == window { return }
        let windows = current &- window
        amount = windows < 32 ? amount >> Int(windows) : 0
        window = current
    }
}

/// The sessions with whole messages that had no place in a turn, in the order in which they wait.
struct Backlog {
    /// The order of sessions.
    enum Urgency: Int, CaseIterable {
        /// Clients without limits.
        case trusted
        /// Clients with little work in the last seconds.
        case rare
        case prompt
        /// Clients with much work, and long requests.
        case patient
    }

    private var queues: [[Session]] = Urgency.allCases.map { _ in [] }
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    /// The number of sessions that wait with this urgency.
    func count(_ urgency: Urgency) -> Int { queues[urgency.rawValue].count }

    /// Whether a client with limits waits that is at least as urgent.
    func hasOthers(before urgency: Urgency) -> Bool {
        for other in Urgency.rare.rawValue..<urgency.rawValue + 1 where !queues[other].isEmpty { return true }
        return false
    }

    mutating func append(_ session: Session, _ urgency: Urgency) {
        queues[urgency.rawValue].append(session)
        count += 1
    }

    /// Takes the first `most` sessions out.
    mutating func take(_ urgency: Urgency, atMost most: Int) -> ArraySlice<Session> {
        let taken = queues[urgency.rawValue].prefix(most)
        queues[urgency.rawValue].removeFirst(taken.count)
        count -= taken.count
        return taken
    }

    /// Puts sessions back to the start of their queue.
    mutating func putBack(_ sessions: ArraySlice<Session>, _ urgency: Urgency) {
        queues[urgency.rawValue].insert(contentsOf: sessions, at: 0)
        count += sessions.count
    }
}
