// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Replies go into the stream to their client.
extension Machine {
    @inline(__always)
    mutating func send(_ reply: Answer, to request: Header, _ session: Session, _ cause: inout Cause) {
        let header = Header(
            type: request.type, request: request.request, transaction: request.transaction,
            length: UInt32(truncatingIfNeeded: reply.payload.count))
        append(header, reply.payload, to: session, cause)
        if let watch = reply.watch { sendFirstEvent(of: watch) }
    }

    mutating func sendError(_ error: WireError, _ request: Header, _ session: Session, _ cause: Cause) {
        let name = error.name
        // The literal ends with a NUL of its own, as the wire wants it.
        let payload = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount + 1)
        let header = Header(
            type: Operation.error.rawValue, request: request.request, transaction: request.transaction,
            length: UInt32(payload.count))
        append(header, payload, to: session, cause)
    }

    /// Appends an answer that was taken back with its turn and stands all the same.
    mutating func resend(_ answer: UnsafeRawBufferPointer, to session: Session) {
        if answer.isEmpty { return }
        let start = session.outbox.position
        session.outbox.extend(by: answer.count).copyMemory(from: answer)
        if !session.isPrivileged { count(replyFrom: start, of: session, nil) }
        touch(session)
    }

    @inline(__always)
    private mutating func append(
        _ header: Header, _ payload: UnsafeRawBufferPointer, to session: Session, _ cause: Cause
    ) {
        if logSwitches.io { trace(isRequest: false, header, payload, session) }
        let start = session.outbox.position
        session.outbox.append(header, payload)
        if !session.isPrivileged { count(replyFrom: start, of: session, cause.outstanding) }
    }

    /// The reply of an unprivileged domain counts to its memory and keeps its request outstanding.
    private func count(replyFrom start: UInt64, of session: Session, _ outstanding: OutstandingRequest?) {
        let end = session.outbox.position
        accounts.ledger.adjustMemory(of: session.domain, by: Int(end - start))
        if let outstanding {
            outstanding.addOne()
        } else {
            accounts.ledger.adjustOutstanding(of: session.domain, by: 1)
        }
        session.delivery.append(Delivery.Mark(start: start, end: end, event: 0, cause: outstanding, kind: .reply))
    }
}
