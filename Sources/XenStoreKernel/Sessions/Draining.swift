// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Taking whole frames out of what a peer has sent, fairly and within bounds.
extension Kernel {
    /// Requests of one session that are handled in one turn. More have to wait for the others.
    private static let framesPerTurn = 256
    /// Unsent bytes above which a session gets no more answers before it has read some.
    static let unsentMax = 64 * 1024
    /// Bytes of requests that may wait before the session is no longer read from.
    private static let inboxMax = 64 * 1024
    /// Unsent bytes above which a client that does not read its events is given up.
    static let unsentLimit = 32 * 1024 * 1024

    /// Handles whole frames in `bytes` and returns how many bytes they took.
    func drain(_ bytes: UnsafeRawBufferPointer, _ session: Session) -> Int {
        var at = 0
        var budget = Kernel.framesPerTurn
        while bytes.count &- at >= Header.size {
            let header = Header(UnsafeRawBufferPointer(rebasing: bytes[at...]))
            if header.length > Limits.payloadMax {
                breakOff(session, length: header.length)
                return bytes.count
            }
            let end = at &+ Header.size &+ Int(header.length)
            if end > bytes.count { break }
            if budget == 0 || mustWait(session) {
                putOff(session)
                break
            }
            budget &-= 1
            handle(
                header, UnsafeRawBufferPointer(rebasing: bytes[(at &+ Header.size)..<end]), session)
            at = end
            if !session.isOpen || session.isEnding { return bytes.count }
        }
        return at
    }

    func drainInbox(_ session: Session) {
        // The inbox is taken out while its frames are handled: they may end the session.
        var inbox = Inbox()
        swap(&inbox, &session.inbox)
        inbox.consume { drain($0, session) }
        if session.isOpen, !session.isEnding { swap(&inbox, &session.inbox) }
    }

    /// A frame longer than the protocol allows: nothing behind it can be trusted.
    private func breakOff(_ session: Session, length: UInt32) {
        if mayComplain(of: session.domain, matter: .max) {
            log(
                .notice,
                "\(session.name): a message of \(length) bytes, more than the protocol's \(Limits.payloadMax); closing")
        }
        session.isEnding = true
        session.endReason = .oversizedMessage
        session.isReading = false
        touch(session)
    }

    /// Whole frames are left: they get their turn after the others.
    private func putOff(_ session: Session) {
        if session.isBacklogged { return }
        session.isBacklogged = true
        backlog.append(session)
    }

    @inline(__always)
    private func mustWait(_ session: Session) -> Bool {
        if session.outbox.count > Kernel.unsentMax { return true }
        return !session.peer.isPrivileged && guestBlock(session) != nil
    }

    /// What keeps an unprivileged session from being read from, if something does.
    private func guestBlock(_ session: Session) -> BlockedReason? {
        if reservation != nil { return .reservation }
        let usage = ledger[session.domain]
        if refusal(of: .outstanding, amount: usage.outstanding + 1, session) != nil {
            return .outstandingRequests
        }
        // Only while there is something to be read that would free memory: otherwise the domain
        // could never ask for its nodes to be removed.
        if !session.outbox.isEmpty, refusal(of: .memory, amount: usage.memory, session) != nil {
            return .memory
        }
        return nil
    }

    /// Decides anew whether the session is BLOCKED, and tells its transport if that has changed.
    func reconsider(_ session: Session) {
        guard session.isOpen, !session.isEnding else { return }
        // What this turn has made is about to be flushed; that alone blocks nobody.
        let previous = session.blockedBy
        session.blockedBy = session.isTouched ? previous : blockReason(session)
        if session.blockedBy == .reservation, previous != .reservation { reservation?.waiting.append(session) }
        let isReading = session.blockedBy == nil && session.inbox.count <= Kernel.inboxMax
        if session.blockedBy != nil, session.isBacklogged {
            session.isBacklogged = false
            backlog.removeAll { $0 === session }
        } else if session.blockedBy == nil, !session.isBacklogged, session.inbox.hasWholeFrame {
            putOff(session)
        }
        if isReading != session.isReading {
            session.isReading = isReading
            session.link.readingChanged(session)
        }
    }

    private func blockReason(_ session: Session) -> BlockedReason? {
        if session.outbox.count > Kernel.unsentMax { return .peerNotReading }
        return session.peer.isPrivileged ? nil : guestBlock(session)
    }
}

extension Session {
    /// For the log: who this is.
    var name: String {
        "domain \(peer.domain.rawValue), \(peer.transport) \(number)"
    }
}
