// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStoreWire

/// Everything that can go wrong between a client and its daemon.
public enum XenStoreError: Error, Sendable, Equatable {
    /// The daemon refused the request; the connection is as good as before.
    case wire(WireError)
    /// No daemon is at the other end: there was none, or it is gone.
    case connection(ConnectionFailure)
    /// The daemon sent something that the protocol does not allow.
    case protocolViolation(ProtocolViolation)
}

/// Where a connection failed, and why.
public struct ConnectionFailure: Error, Sendable, Equatable {
    /// One path that the client tried.
    public struct Attempt: Sendable, Equatable {
        public var path: String
        public var errno: Int32

        public init(path: String, errno: Int32) {
            self.path = path
            self.errno = errno
        }
    }

    /// All paths that the client tried, in order; only one if an open connection was lost.
    public var attempts: [Attempt]
    /// True if the connection had been open.
    public var wasOpen: Bool

    public init(attempts: [Attempt], wasOpen: Bool) {
        self.attempts = attempts
        self.wasOpen = wasOpen
    }

    /// The errno of the last attempt, which is the one that libxenstore reports.
    public var errno: Int32 { attempts.last?.errno ?? ENOENT }
    /// The path of the last attempt.
    public var path: String { attempts.last?.path ?? "" }
}

/// How the daemon broke the protocol.
public enum ProtocolViolation: Error, Sendable, Equatable {
    /// A reply whose type is neither the request's nor ERROR. The connection is closed.
    case unexpectedReply(to: Operation, type: UInt32)
    /// A message that declares more than `Limits.payloadMax` bytes. The connection is closed.
    case oversizedMessage(length: UInt32)
    /// A message of the right type whose payload makes no sense. The stream of messages is intact,
    /// so the connection stays open.
    case malformedPayload(of: Operation)
}

extension XenStoreError {
    /// The errno that libxenstore's callers would see.
    public var errno: Int32 {
        switch self {
        case .wire(let error): error.errno
        case .connection(let failure): failure.wasOpen ? EBADF : failure.errno
        case .protocolViolation(.malformedPayload): EINVAL
        case .protocolViolation: EBADF
        }
    }
}

extension WireError {
    /// The system's number for this error.
    public var errno: Int32 {
        switch self {
        case .EINVAL: Glibc.EINVAL
        case .EACCES: Glibc.EACCES
        case .EEXIST: Glibc.EEXIST
        case .EISDIR: Glibc.EISDIR
        case .ENOENT: Glibc.ENOENT
        case .ENOMEM: Glibc.ENOMEM
        case .ENOSPC: Glibc.ENOSPC
        case .EIO: Glibc.EIO
        case .ENOTEMPTY: Glibc.ENOTEMPTY
        case .ENOSYS: Glibc.ENOSYS
        case .EROFS: Glibc.EROFS
        case .EBUSY: Glibc.EBUSY
        case .EAGAIN: Glibc.EAGAIN
        case .EISCONN: Glibc.EISCONN
        case .E2BIG: Glibc.E2BIG
        case .EPERM: Glibc.EPERM
        }
    }
}

extension XenStoreError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .wire(let error):
            return "\(error.name)"
        case .connection(let failure):
            let places = failure.attempts.map { "\($0.path): \(String(cString: strerror($0.errno)))" }
            let what = failure.wasOpen ? "connection lost" : "cannot connect"
            return "\(what) (\(places.joined(separator: "; ")))"
        case .protocolViolation(.unexpectedReply(let operation, let type)):
            return "reply of type \(type) to \(operation.name)"
        case .protocolViolation(.oversizedMessage(let length)):
            return "message of \(length) bytes"
        case .protocolViolation(.malformedPayload(let operation)):
            return "\(operation.name) with a malformed payload"
        }
    }
}
