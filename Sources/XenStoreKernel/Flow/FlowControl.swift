// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Decides which sessions are BLOCKED, and which are to be read from.
final class FlowControl {
    private let sessions: Sessions
    private let accounts: Accounts
    private let schedule: Schedule
    /// Gives the store to one session, while guests wait.
    let reservations: Reservations

    /// Unsent bytes above which a session gets no more answers before it has read some.
    private static let unsentMax = 64 * 1024
    /// Bytes of requests that may wait before the session is no longer read from.
    private static let inboxMax = 64 * 1024

    init(sessions: Sessions, accounts: Accounts, schedule: Schedule) {
        self.sessions = sessions
        self.accounts = accounts
        self.schedule = schedule
        reservations = Reservations(accounts: accounts)
    }

    /// Whether the session's next request is not handled before something else has happened.
    @inline(__always)
    func mustWait(_ session: Session) -> Bool {
        if session.unsentCount > FlowControl.unsentMax { return true }
        return session.hasLimits && blockOfLimited(session) != nil
    }

    /// Decides whether the session is BLOCKED, and tells its transport if that has changed.
    @inline(__always)
    func reconsider(_ session: Session) {
        // Of most sessions, and with each request, there is nothing to decide.
        let isPlain = !session.hasLimits && session.blockedBy == nil && session.isReading && session.inbox.isEmpty
        if isPlain, session.unsentCount <= FlowControl.unsentMax { return }
        decide(session)
    }

    private func decide(_ session: Session) {
        guard session.isOpen, !session.isEnding else { return }
        // What this turn has made is about to be flushed; that alone blocks nobody.
        if !session.isTouched { setBlock(blockReason(session), of: session) }
        let isBlocked = session.blockedBy != nil
        if !isBlocked, !session.isBacklogged, session.inbox.hasWholeFrame {
            schedule.putOff(session, isCostly: false, at: accounts.now)
        }
        sessions.setReading(!isBlocked && session.inbox.count <= FlowControl.inboxMax, of: session)
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
        if session.unsentCount > FlowControl.unsentMax { return .peerNotReading }
        return session.hasLimits ? blockOfLimited(session) : nil
    }

    /// What keeps a session with limits from being read from, if something does.
    private func blockOfLimited(_ session: Session) -> BlockedReason? {
        if reservations.isOpen { return session.isPrivileged ? nil : .reservation }
        if session.heldUp > 0 { return .unreadEvents }
        let usage = accounts.held(by: session)
        if accounts.refusal(of: .outstanding, amount: usage.outstanding + 1, session) != nil {
            return .outstandingRequests
        }
        // Only while there is something to be read that would free memory: otherwise the domain
        // could never ask for its nodes to be removed.
        if session.hasUnsent, accounts.refusal(of: .memory, amount: usage.memory, session) != nil {
            return .memory
        }
        return nil
    }

    // MARK: Reservations

    /// The session has ended its transaction, or is gone.
    func endReservation(of session: Session) {
        for waiting in reservations.end(of: session) { reconsider(waiting) }
    }

    /// Ends a reservation whose time is over, and says when to look again.
    @inline(__always)
    func expireReservation() -> Moment? { reservations.isOpen ? expireOpenReservation() : nil }

    private func expireOpenReservation() -> Moment? {
        let (deadline, waiting) = reservations.expire()
        for session in waiting { reconsider(session) }
        return deadline
    }
}
