// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The store to itself, for a transaction of dom0 that guests have made fail again and again.
///
/// A guest that keeps on writing to a node could keep dom0 from ever committing a transaction that
/// reads the node (XSA-206). After a few conflicts in a row, guests have to wait while dom0 tries
/// once more; not for long, since dom0 may have gone to sleep over it, and not often, since a client may never
/// come to an end.
final class Reservations {
    private let accounts: Accounts
    /// Who has the store to itself.
    private var holder: Session?
    /// Since when guests wait; set at the end of the turn, when the time is known.
    private var start: Moment?
    /// The sessions that wait.
    private var waiting: [Session] = []

    /// Conflicts in a row after which a session gets the store to itself. Only a transaction that has something
    /// to commit can have a conflict.
    private static let patience = 3
    /// How long guests wait at most, in milliseconds.
    private static let durationMax: UInt64 = 100
    /// For so many times its duration the session has no other: a client has the store to itself for a tenth of
    /// the time at most.
    private static let pauseFactor: UInt64 = 9

    init(accounts: Accounts) { self.accounts = accounts }

    @inline(__always) var isOpen: Bool { holder != nil }

    func wait(_ session: Session) { waiting.append(session) }

    /// A session starts a transaction.
    func openIfDesperate(_ session: Session) {
        guard holder == nil, !session.hasLimits, session.peer.mayWrite,
            session.conflicts >= Reservations.patience, accounts.now >= session.reservationPause
        else { return }
        holder = session
    }

    /// Ends the session's reservation, if it has one. Returns those who have waited for that.
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

    /// Ends a reservation whose time is over. Returns when to look again, or those who have waited.
    func expire() -> (deadline: Moment?, freed: [Session]) {
        if holder == nil { return (nil, []) }
        let start = start ?? accounts.now
        self.start = start
        let deadline = start.advanced(byMilliseconds: Reservations.durationMax)
        return accounts.now < deadline ? (deadline, []) : (nil, end())
    }
}
