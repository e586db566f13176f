// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Decides whose request comes next. All guests together have a budget of work in each turn. Guests that have asked for
/// little go first, and requests that may cost much come last. dom0 does not wait for guests.
final class Schedule {
    /// The sessions with whole messages that had no place in this turn.
    private(set) var backlog = Backlog()
    /// The urgency of the sessions that are being served.
    private var served: Backlog.Urgency?
    /// The work done in this turn for clients with limits.
    private var guestWork = 0
    /// The load that storage has reported.
    var storageLoad = 0
    /// Grows with each turn.
    private var turn: UInt64 = 1
    /// The work done for the current request.
    private var requestWork = 0

    // MARK: Counting

    /// Counts work for the current request.
    @inline(__always)
    func spend(_ work: Int) { requestWork &+= work }

    @inline(__always)
    func begin(_ session: Session) { session.effort.begin(turn: turn) }

    @inline(__always)
    func beginRequest(payload: Int) { requestWork = Work.request &+ payload &>> Work.payloadShift }

    @inline(__always)
    func endRequest(of session: Session) {
        session.effort.add(requestWork)
        if session.hasLimits { guestWork &+= requestWork }
    }

    func beginTurn() {
        guestWork = 0
        turn &+= 1
    }

    // MARK: Judging

    /// Whether the session's next request must wait for other clients, or for the next turn.
    func isTurnOver(for session: Session, isCostly: Bool, at now: Moment) -> Bool {
        let urgency = urgency(of: session, isCostly: isCostly, at: now)
        if !hasRoom(for: urgency) { return true }
        if let served { return urgency.rawValue > served.rawValue }
        // A costly request comes after all others of the turn, even if no client waits yet.
        return isCostly || backlog.hasOthers(before: urgency)
    }

    private func urgency(of session: Session, isCostly: Bool, at now: Moment) -> Backlog.Urgency {
        if !session.hasLimits { return .trusted }
        if isCostly || session.effort.isHeavy(at: now) { return .patient }
        return session.effort.isLight(at: now) ? .rare : .prompt
    }

    /// Whether this turn, and storage, have room for more requests of this urgency.
    private func hasRoom(for urgency: Backlog.Urgency) -> Bool {
        switch urgency {
        case .trusted: true
        case .rare: guestWork < Work.perTurnOfGuests && storageLoad < 100
        case .prompt: guestWork < Work.perTurnOfGuests && storageLoad < 75
        case .patient: guestWork < Work.perTurnOfGuests && storageLoad < 50
        }
    }

    // MARK: Waiting

    /// Puts the session into the backlog, because it has whole messages left.
    func putOff(_ session: Session, isCostly: Bool, at now: Moment) {
        if session.isBacklogged { return }
        session.isBacklogged = true
        backlog.append(session, urgency(of: session, isCostly: isCostly, at: now))
    }

    /// Whether the next turn has room for some of the sessions that wait.
    var isBacklogReady: Bool {
        if backlog.isEmpty { return false }
        return Backlog.Urgency.allCases.contains { backlog.count($0) > 0 && hasRoom(for: $0) }
    }

    /// Takes the sessions that wait with this urgency. Call ``next(of:_:)`` for each.
    func beginServing(_ urgency: Backlog.Urgency) -> ArraySlice<Session> {
        served = urgency
        return backlog.take(urgency, atMost: backlog.count(urgency))
    }

    func next(of waiting: inout ArraySlice<Session>, _ urgency: Backlog.Urgency) -> Session? {
        guard hasRoom(for: urgency), let session = waiting.popFirst() else { return nil }
        session.isBacklogged = false
        return session
    }

    /// Puts the sessions that had no place back, before those that have come meanwhile.
    func endServing(_ waiting: ArraySlice<Session>, _ urgency: Backlog.Urgency) {
        if !waiting.isEmpty { backlog.putBack(waiting, urgency) }
        served = nil
    }
}
