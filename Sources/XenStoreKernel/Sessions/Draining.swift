// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Taking whole frames out of what a peer has sent, fairly and within bounds.
extension Machine {
    /// Requests of one session that are handled in one turn. More have to wait for the others.
    private static let framesPerTurn = 256
    /// Unsent bytes above which a session gets no more answers before it has read some.
    static let unsentMax = 64 * 1024
    /// Bytes of requests that may wait before the session is no longer read from.
    private static let inboxMax = 64 * 1024

    /// Counts work of the request in hand.
    @inline(__always)
    mutating func spend(_ work: Int) { schedule.spend(work) }

    /// Handles whole frames in `bytes` and returns how many bytes they took.
    mutating func drain(_ bytes: UnsafeRawBufferPointer, _ session: Session) -> Int {
        var at = 0
        var frames = Machine.framesPerTurn
        schedule.begin(session)
        while bytes.count &- at >= Header.size {
            let header = Header(UnsafeRawBufferPointer(rebasing: bytes[at...]))
            if header.length > Limits.payloadMax {
                breakOff(session, length: header.length)
                at = bytes.count
                break
            }
            let end = at &+ Header.size &+ Int(header.length)
            if end > bytes.count || mustWait(session) { break }
            let payload = UnsafeRawBufferPointer(rebasing: bytes[(at &+ Header.size)..<end])
            if frames == 0 || session.effort.inTurn >= Work.perClient || mustQueue(session, header, payload) {
                schedule.putOff(session, isCostly: isCostly(session, header, payload), at: now)
                break
            }
            frames &-= 1
            schedule.beginRequest(payload: Int(header.length))
            handle(header, payload, session)
            schedule.endRequest(of: session)
            at = end
            if !session.isOpen || session.isEnding {
                at = bytes.count
                break
            }
        }
        return at
    }

    mutating func drainInbox(_ session: Session) {
        // The inbox is taken out while its frames are handled: they may end the session.
        var inbox = Inbox()
        swap(&inbox, &session.inbox)
        inbox.consume { drain($0, session) }
        if session.isOpen, !session.isEnding { swap(&inbox, &session.inbox) }
        accounts.settleInbox(of: session)
    }

    /// A frame longer than the protocol allows: nothing after it can be trusted.
    private mutating func breakOff(_ session: Session, length: UInt32) {
        if accounts.mayComplain(of: session.domain, .brokenProtocol) {
            log(
                .notice,
                "\(session.name): a message of \(length) bytes, more than the protocol's \(Limits.payloadMax); closing")
        }
        session.isEnding = true
        session.endReason = .oversizedMessage
        session.isReading = false
        touch(session)
    }

    // MARK: Turns of the clients

    /// Whether the session's next request has to wait for those who are waiting, or for the next turn.
    @inline(__always)
    private mutating func mustQueue(_ session: Session, _ header: Header, _ payload: UnsafeRawBufferPointer) -> Bool {
        session.hasLimits
            && schedule.isTurnOver(for: session, isCostly: isCostly(session, header, payload), at: now)
    }

    /// Whether the request may take long, by what is known before it is carried out.
    private mutating func isCostly(_ session: Session, _ header: Header, _ payload: UnsafeRawBufferPointer) -> Bool {
        switch header.type {
        case Operation.transactionEnd.rawValue:
            session.transactions[header.transaction].map { $0.work * Work.change > Work.perClient } ?? false
        case Operation.remove.rawValue: accounts.held(by: session).nodes > Work.manyNodes
        case Operation.makeDirectory.rawValue, Operation.write.rawValue:
            payload.count > Work.longPath && !payload.prefix(Work.longPath).contains(0)
        default: false
        }
    }

    /// Serves those who had no place in their turn: those without limits all, and the others while there is
    /// room in the turn.
    mutating func drainBacklog() {
        for urgency in Backlog.Urgency.allCases {
            var waiting = schedule.beginServing(urgency)
            while let session = schedule.next(of: &waiting, urgency) {
                if session.isOpen, !session.isEnding, session.blockedBy == nil { drainInbox(session) }
                if session.isOpen { reconsider(session) }
            }
            schedule.endServing(waiting, urgency)
        }
    }

    // MARK: Blocking

    @inline(__always)
    private mutating func mustWait(_ session: Session) -> Bool {
        if session.outbox.count > Machine.unsentMax { return true }
        return session.hasLimits && guestBlock(session) != nil
    }

    /// What keeps a session with limits from being read from, if something does.
    private mutating func guestBlock(_ session: Session) -> BlockedReason? {
        if reservation != nil { return session.isPrivileged ? nil : .reservation }
        if session.heldUp > 0 { return .unreadEvents }
        let usage = accounts.held(by: session)
        if accounts.refusal(of: .outstanding, amount: usage.outstanding + 1, session) != nil {
            return .outstandingRequests
        }
        // Only while there is something to be read that would free memory: otherwise the domain
        // could never ask for its nodes to be removed.
        if !session.outbox.isEmpty, accounts.refusal(of: .memory, amount: usage.memory, session) != nil {
            return .memory
        }
        return nil
    }

    /// Decides whether the session is BLOCKED, and tells its transport if that has changed.
    mutating func reconsider(_ session: Session) {
        guard session.isOpen, !session.isEnding else { return }
        // What this turn has made is about to be flushed; that alone blocks nobody.
        let previous = session.blockedBy
        session.blockedBy = session.isTouched ? previous : blockReason(session)
        if session.blockedBy != previous { noteBlock(session) }
        let isReading = session.blockedBy == nil && session.inbox.count <= Machine.inboxMax
        if session.blockedBy == nil, !session.isBacklogged, session.inbox.hasWholeFrame {
            schedule.putOff(session, isCostly: false, at: now)
        }
        if isReading != session.isReading {
            session.isReading = isReading
            readingChanges.append(session)
        }
    }

    private mutating func noteBlock(_ session: Session) {
        switch session.blockedBy {
        case .reservation: reservation?.waiting.append(session)
        case .outstandingRequests: accounts.warn(of: .outstanding, session)
        default: break
        }
    }

    private mutating func blockReason(_ session: Session) -> BlockedReason? {
        if session.outbox.count > Machine.unsentMax { return .peerNotReading }
        return session.hasLimits ? guestBlock(session) : nil
    }
}

extension Session {
    /// For the log: who this is.
    var name: String {
        "domain \(peer.domain.rawValue), \(peer.transport) \(number)"
    }
}
