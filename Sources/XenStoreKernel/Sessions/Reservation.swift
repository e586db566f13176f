// SPDX-License-Identifier: Apache-2.0

/// The store to itself, for a transaction of dom0 that guests have made fail again and again.
///
/// A guest that keeps on writing to a node could keep dom0 from ever committing a transaction that
/// reads the node (XSA-206). After a few conflicts in a row, guests have to wait while dom0 tries
/// once more; not for long, since dom0 may have gone to sleep over it.
struct Reservation {
    unowned let session: Session
    /// When guests are served again in any case; set at the end of the turn, when the time is known.
    var deadline: Moment?
    /// The sessions that wait.
    var waiting: [Session] = []

    /// Conflicts in a row after which a session gets the store to itself.
    static let patience = 3
    /// How long guests wait at most, in milliseconds.
    static let durationMax: UInt64 = 100
}

extension Kernel {
    /// A session starts a transaction.
    func reserveIfDesperate(_ session: Session) {
        guard reservation == nil, session.peer.isPrivileged, session.conflicts >= Reservation.patience else { return }
        reservation = Reservation(session: session)
    }

    /// The session has ended its transaction, or is gone.
    func endReservation(of session: Session) {
        if reservation?.session === session { endReservation() }
    }

    private func endReservation() {
        guard let ended = reservation else { return }
        reservation = nil
        for session in ended.waiting { reconsider(session) }
    }

    /// Ends a reservation whose time is over, and says when to look again.
    func expireReservation() -> Moment? {
        guard let reservation else { return nil }
        let deadline = reservation.deadline ?? now.advanced(byMilliseconds: Reservation.durationMax)
        self.reservation?.deadline = deadline
        if now < deadline { return deadline }
        endReservation()
        return nil
    }
}
