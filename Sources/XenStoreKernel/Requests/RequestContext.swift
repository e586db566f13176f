// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// One request, as its handler sees it, and the client that pays for it.
struct RequestContext {
    let session: Session
    let operation: Operation
    /// The transaction to which the request belongs, or 0.
    let transaction: UInt32
    let payload: UnsafeRawBufferPointer
    /// The client that pays for the request's events, and the request if it waits for a reader.
    var cause: Cause

    @inline(__always) var isPrivileged: Bool { session.isPrivileged }
}
