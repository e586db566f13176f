// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Decides which sessions are BLOCKED, and from which sessions transports read.
final class FlowControl {
    private let sessions: Sessions
    private let accounts: Accounts
    private let schedule: Schedule
    /// Reserves the store for one session, while guests wait.
    let reservations: Reservations

    /// With more unsent bytes a session is BLOCKED until its client has read some.
    private static let unsentBytesToBlock = 64 * 1024
    /// With more bytes of waiting requests a session's transport stops reading.
    private static let inboxBytesMax = 64 * 1024

    init(sessions: Sessions, accounts: Accounts, schedule: Schedule) {
        self.sessions = sessions
        self.accounts = accounts
        self.schedule = schedule
        reservations = Reservations(accounts: accounts)
    }

    /// Whether the session's next request must wait for something else.
    @inline(__always)
    func mustWait(_ session: Session) -> Bool {
        if session.unsentCount > FlowControl.unsentBytesToBlock { return true }
        return session.hasLimits && blockOfLimited(session) != nil
    }

    /// Decides whether the session is BLOCKED, and whether its transport may read.
    @inline(__always)
    func reconsider(_ session: Session) {
        // For most sessions, at most requests, there is nothing to decide.
        let isPlain = !session.hasLimits && session.blockedBy == nil && session.isReading && session.inbox.isEmpty
        if isPlain, session.unsentCount <= FlowControl.unsentBytesToBlock { return }
        decide(session)
    }

    private func decide(_ session: Session) {
        guard session.isOpen, !session.isEnding else { return }
        // The session is about to be flushed. Bytes of this turn alone must not block it.
        if !session.isTouched { setBlock(blockReason(session), of: session) }
        let isBlocked = session.blockedBy != nil
        if !isBlocked, !session.isBacklogged, session.inbox.hasWholeMessage {
            schedule.putOff(session, isCostly: false, at: accounts.now)
        }
        sessions.setReading(!isBlocked && session.inbox.count <= FlowControl.inboxBytesMax, of: session)
    }

    @inline(__always)
    private func setBlock(_ reason: BlockedReason?, of session: Session) {
        if reason == session.blockedBy { return }
        session.blockedBy = reason
        switch reason {
        case .reservation: reservations.wait(session)
        case .outstandingRequests: accounts.warn(of: .outstanding, session)
        default: break
        }
    }

    @inline(__always)
    private func blockReason(_ session: Session) -> BlockedReason? {
        if session.unsentCount > FlowControl.unsentBytesToBlock { return .peerNotReading }
        return session.hasLimits ? blockOfLimited(session) : nil
    }

    /// The reason that blocks a session with limits, if there is one.
    private func blockOfLimited(_ session: Session) -> BlockedReason? {
        if reservations.isOpen { return session.isPrivileged ? nil : .reservation }
        if session.heldUp > 0 { return .unreadEvents }
        let usage = accounts.held(by: session)
        if accounts.refusal(of: .outstanding, amount: usage.outstanding + 1, session) != nil {
            return .outstandingRequests
        }
        // Only while the client can free memory by reading: otherwise the domain could never ask for its nodes to be
        // removed.
        if session.hasUnsent, accounts.refusal(of: .memory, amount: usage.memory, session) != nil {
            return .memory
        }
        return nil
    }

    // MARK: Reservations

    /// Ends the reservation of a session that has ended its transaction, or that is gone.
    func endReservation(of session: Session) {
        for waiting in reservations.end(of: session) { reconsider(waiting) }
    }

    /// Ends a reservation when its time is over. Returns the time of the next check.
    @inline(__always)
    func expireReservation() -> Moment? { reservations.isOpen ? expireOpenReservation() : nil }

    private func expireOpenReservation() -> Moment? {
        let (deadline, waiting) = reservations.expire()
        for session in waiting { reconsider(session) }
        return deadline
    }
}
