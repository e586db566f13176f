// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// One request, as its handler sees it, and on whose account it is carried out.
struct RequestContext {
    unowned(unsafe) let session: Session
    let operation: Operation
    /// 0, or the transaction the request belongs to.
    let transaction: UInt32
    let payload: UnsafeRawBufferPointer
    /// Who pays for the events that the request causes, and what it has come to wait for.
    var cause: Cause

    @inline(__always) var isPrivileged: Bool { session.isPrivileged }
}
