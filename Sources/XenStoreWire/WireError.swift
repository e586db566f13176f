// SPDX-License-Identifier: Apache-2.0

/// The sixteen errors that the protocol can carry, in the order of Xen's `xs_wire.h`.
///
/// Clients turn any other name into EINVAL or give up on the connection, so this list is closed:
/// whatever goes wrong inside the daemon reaches a client as one of these.
public enum WireError: UInt8, Error, Sendable, CaseIterable {
    case EINVAL, EACCES, EEXIST, EISDIR, ENOENT, ENOMEM, ENOSPC, EIO
    case ENOTEMPTY, ENOSYS, EROFS, EBUSY, EAGAIN, EISCONN, E2BIG, EPERM

    /// The name as it is sent, without the NUL that ends it on the wire.
    public var name: StaticString {
        switch self {
        case .EINVAL: "EINVAL"
        case .EACCES: "EACCES"
        case .EEXIST: "EEXIST"
        case .EISDIR: "EISDIR"
        case .ENOENT: "ENOENT"
        case .ENOMEM: "ENOMEM"
        case .ENOSPC: "ENOSPC"
        case .EIO: "EIO"
        case .ENOTEMPTY: "ENOTEMPTY"
        case .ENOSYS: "ENOSYS"
        case .EROFS: "EROFS"
        case .EBUSY: "EBUSY"
        case .EAGAIN: "EAGAIN"
        case .EISCONN: "EISCONN"
        case .E2BIG: "E2BIG"
        case .EPERM: "EPERM"
        }
    }

    /// The error with this name on the wire; `name` is without its NUL. Nil if there is none.
    public init?(wireName name: UnsafeRawBufferPointer) {
        for error in WireError.allCases where error.name.utf8CodeUnitCount == name.count {
            let expected = UnsafeRawBufferPointer(start: error.name.utf8Start, count: name.count)
            if expected.elementsEqual(name) {
                self = error
                return
            }
        }
        return nil
    }
}
