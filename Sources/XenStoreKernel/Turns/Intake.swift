// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Takes whole messages out of the bytes that clients have sent, fairly and within bounds.
final class Intake {
    private let sessions: Sessions
    private let accounts: Accounts
    private let schedule: Schedule
    private let flow: FlowControl
    private let checks: Checks
    let router: Router
    private let log: (LogLevel, String) -> Void

    /// The number of requests of one session that one turn handles. More must wait for the other sessions.
    private static let messagesPerTurn = 256

    init(
        sessions: Sessions, accounts: Accounts, schedule: Schedule, flow: FlowControl, checks: Checks, router: Router,
        log: @escaping (LogLevel, String) -> Void
    ) {
        self.sessions = sessions
        self.accounts = accounts
        self.schedule = schedule
        self.flow = flow
        self.checks = checks
        self.router = router
        self.log = log
    }

    /// Handles the messages in `bytes`, which the session's peer has sent. Keeps those that it cannot handle now.
    @inline(__always)
    func receive(_ bytes: UnsafeRawBufferPointer, on session: Session) {
        guard session.isOpen, !session.isEnding else { return }
        session.position.receive(bytes.count)
        // Storage must note how much was taken, or the peer must get the room back.
        if session.outlivesDaemon { sessions.touch(session) }
        if session.inbox.isEmpty, !session.isBacklogged {
            let done = handle(bytes, session)
            if done < bytes.count, session.isOpen, !session.isEnding {
                session.inbox.append(UnsafeRawBufferPointer(rebasing: bytes[done...]))
            }
        } else {
            session.inbox.append(bytes)
            handleInbox(of: session)
        }
        accounts.settleInbox(of: session)
        flow.reconsider(session)
    }

    /// Handles whole messages in `bytes` and returns the number of bytes that they took.
    private func handle(_ bytes: UnsafeRawBufferPointer, _ session: Session) -> Int {
        var at = 0
        var left = Intake.messagesPerTurn
        schedule.begin(session)
        while bytes.count &- at >= Header.size {
            let header = Header(UnsafeRawBufferPointer(rebasing: bytes[at...]))
            if header.length > Limits.payloadMax {
                breakOff(session, length: header.length)
                return bytes.count
            }
            let end = at &+ Header.size &+ Int(header.length)
            if end > bytes.count || flow.mustWait(session) { break }
            let payload = UnsafeRawBufferPointer(rebasing: bytes[(at &+ Header.size)..<end])
            if left == 0 || session.effort.inTurn >= Work.perClient || mustQueue(session, header, payload) {
                schedule.putOff(session, isCostly: isCostly(session, header, payload), at: accounts.now)
                break
            }
            left &-= 1
            schedule.beginRequest(payload: Int(header.length))
            router.handle(header, payload, session)
            schedule.endRequest(of: session)
            at = end
            if !session.isOpen || session.isEnding { return bytes.count }
        }
        return at
    }

    private func handleInbox(of session: Session) {
        // The session has no inbox while its messages are handled, because they may end the session.
        var inbox = Inbox()
        swap(&inbox, &session.inbox)
        inbox.consume { handle($0, session) }
        if session.isOpen, !session.isEnding { swap(&inbox, &session.inbox) }
        accounts.settleInbox(of: session)
    }

    /// A message is longer than the protocol allows, so nothing after it can be trusted.
    private func breakOff(_ session: Session, length: UInt32) {
        if accounts.mayComplain(of: session.domain, .brokenProtocol) {
            log(
                .notice,
                "\(session.name): a message of \(length) bytes, more than the protocol's \(Limits.payloadMax); closing")
        }
        session.isEnding = true
        session.endReason = .oversizedMessage
        session.isReading = false
        sessions.touch(session)
    }

    // MARK: Turns of the clients

    /// Whether the session's next request must wait for other clients, for the next turn, or for a check of the store.
    @inline(__always)
    private func mustQueue(_ session: Session, _ header: Header, _ payload: UnsafeRawBufferPointer) -> Bool {
        header.type == Operation.control.rawValue && checks.mustWait(payload, session)
            || session.hasLimits
                && schedule.isTurnOver(for: session, isCostly: isCostly(session, header, payload), at: accounts.now)
    }

    /// Whether the request may take long, from what the kernel knows before it handles the request.
    private func isCostly(_ session: Session, _ header: Header, _ payload: UnsafeRawBufferPointer) -> Bool {
        switch header.type {
        case Operation.transactionEnd.rawValue:
            session.transactions[header.transaction].map { $0.work * Work.change > Work.perClient } ?? false
        case Operation.remove.rawValue: accounts.held(by: session).nodes > Work.manyNodes
        case Operation.makeDirectory.rawValue, Operation.write.rawValue:
            payload.count > Work.longPath && !payload.prefix(Work.longPath).contains(0)
        default: false
        }
    }

    /// Serves clients that had no place in their turn: all that have no limits, and the others while the turn has room.
    func serveBacklog() {
        for urgency in Backlog.Urgency.allCases {
            var waiting = schedule.beginServing(urgency)
            while let session = schedule.next(of: &waiting, urgency) {
                if session.isOpen, !session.isEnding, session.blockedBy == nil { handleInbox(of: session) }
                if session.isOpen { flow.reconsider(session) }
            }
            schedule.endServing(waiting, urgency)
        }
    }
}
