// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Puts replies into the stream to their client.
final class Replies {
    private let unsent: Unsent
    private let events: Events
    private let trace: Trace
    /// How many requests were answered with an error.
    private(set) var errorCount: UInt64 = 0

    init(unsent: Unsent, events: Events, trace: Trace) {
        self.unsent = unsent
        self.events = events
        self.trace = trace
    }

    /// `outstanding`: the request itself, if it waits for a reader of its events.
    @inline(__always)
    func send(_ answer: Answer, to request: Header, _ session: Session, _ outstanding: OutstandingRequest?) {
        let header = Header(
            type: request.type, request: request.request, transaction: request.transaction,
            length: UInt32(truncatingIfNeeded: answer.payload.count))
        append(header, answer.payload, to: session, outstanding)
        if let watch = answer.watch { events.sendFirst(of: watch) }
    }

    func send(_ error: WireError, to request: Header, _ session: Session, _ outstanding: OutstandingRequest?) {
        errorCount &+= 1
        let name = error.name
        // The literal ends with a NUL of its own, as the wire wants it.
        let payload = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount + 1)
        let header = Header(
            type: Operation.error.rawValue, request: request.request, transaction: request.transaction,
            length: UInt32(payload.count))
        append(header, payload, to: session, outstanding)
    }

    @inline(__always)
    private func append(
        _ header: Header, _ payload: UnsafeRawBufferPointer, to session: Session, _ outstanding: OutstandingRequest?
    ) {
        trace.show(isRequest: false, header, payload, session)
        unsent.append(header, payload, to: session, outstanding)
    }

    /// Appends a reply that a rollback has dropped, and that stays.
    func sendAgain(_ answer: UnsafeRawBufferPointer, to session: Session) {
        if !answer.isEmpty { unsent.append(again: answer, to: session) }
    }
}
