// SPDX-License-Identifier: Apache-2.0

/// The store to itself, for a transaction of dom0 that guests have made fail again and again.
///
/// A guest that keeps on writing to a node could keep dom0 from ever committing a transaction that
/// reads the node (XSA-206). After a few conflicts in a row, guests have to wait while dom0 tries
/// once more; not for long, since dom0 may have gone to sleep over it, and not often, since a client may never
/// come to an end.
struct Reservation {
    unowned let session: Session
    /// Since when guests wait; set at the end of the turn, when the time is known.
    var start: Moment?
    /// The sessions that wait.
    var waiting: [Session] = []

    /// Conflicts in a row after which a session gets the store to itself. Only a transaction that has something
    /// to commit can have a conflict.
    static let patience = 3
    /// How long guests wait at most, in milliseconds.
    static let durationMax: UInt64 = 100
    /// For so many times its duration the session has no other: a client has the store to itself for a tenth of
    /// the time at most.
    static let pauseFactor: UInt64 = 9
}

extension Machine {
    /// A session starts a transaction.
    mutating func reserveIfDesperate(_ session: Session) {
        guard reservation == nil, !session.hasLimits, session.peer.mayWrite,
            session.conflicts >= Reservation.patience, now >= session.reservationPause
        else { return }
        reservation = Reservation(session: session)
    }

    /// The session has ended its transaction, or is gone.
    mutating func endReservation(of session: Session) {
        if reservation?.session === session { endReservation() }
    }

    private mutating func endReservation() {
        guard let ended = reservation else { return }
        reservation = nil
        let duration = ended.start.map { now.nanoseconds &- $0.nanoseconds } ?? 0
        ended.session.reservationPause = Moment(
            nanoseconds: now.nanoseconds &+ duration &* Reservation.pauseFactor)
        for session in ended.waiting { reconsider(session) }
    }

    /// Ends a reservation whose time is over, and says when to look again.
    mutating func expireReservation() -> Moment? {
        guard let reservation else { return nil }
        let start = reservation.start ?? now
        self.reservation?.start = start
        let deadline = start.advanced(byMilliseconds: Reservation.durationMax)
        if now < deadline { return deadline }
        endReservation()
        return nil
    }
}
