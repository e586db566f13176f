// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// Reserves the store for a transaction of dom0 that guests have made fail again and again.
///
/// A guest that writes to a node again and again could keep dom0 from ever committing a transaction that reads the node
/// (XSA-206). So after a few conflicts guests wait while dom0 tries once more. They do not wait long, because dom0 may
/// sleep meanwhile, and not often, because a client may never finish.
final class Reservations {
    private let accounts: Accounts
    /// The session for which the store is reserved.
    private var holder: Session?
    /// The time since which guests wait. Set at the end of the turn, when the time is known.
    private var start: Moment?
    /// The sessions that wait.
    private var waiting: [Session] = []

    /// The number of conflicts in a row after which a session gets the reservation. Only a transaction that has
    /// something to commit can have a conflict.
    private static let patience = 3
    /// The milliseconds that guests wait at most.
    private static let durationMax: UInt64 = 100
    /// A session gets no other reservation for this many times the duration of its last one: so a client has at most a
    /// tenth of the time.
    private static let pauseFactor: UInt64 = 9

    init(accounts: Accounts) { self.accounts = accounts }

    @inline(__always) var isOpen: Bool { holder != nil }

    func wait(_ session: Session) { waiting.append(session) }

    /// Reserves the store for a session that starts a transaction, if it has failed often enough.
    func openIfDesperate(_ session: Session) {
        guard holder == nil, !session.hasLimits, session.peer.mayWrite,
            session.conflicts >= Reservations.patience, accounts.now >= session.reservationPause
        else { return }
        holder = session
    }

    /// Ends the session's reservation, if it has one. Returns the sessions that have waited.
    func end(of session: Session) -> [Session] { holder === session ? end() : [] }

    private func end() -> [Session] {
        guard let session = holder else { return [] }
        let now = accounts.now.nanoseconds
        let duration = start.map { now &- $0.nanoseconds } ?? 0
        session.reservationPause = Moment(nanoseconds: now &+ duration &* Reservations.pauseFactor)
        defer { waiting = [] }
        holder = nil
        start = nil
        return waiting
    }

    /// Ends a reservation when its time is over. Returns the time of the next check, or the sessions that have waited.
    func expire() -> (deadline: Moment?, freed: [Session]) {
        if holder == nil { return (nil, []) }
        let start = start ?? accounts.now
        self.start = start
        let deadline = start.advanced(byMilliseconds: Reservations.durationMax)
        return accounts.now < deadline ? (deadline, []) : (nil, end())
    }
}
