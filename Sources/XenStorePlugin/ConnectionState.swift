// SPDX-License-Identifier: Apache-2.0

/// The state of a connection, for an operator.
public enum ConnectionState: Sendable, Equatable {
    /// Nothing waits.
    case ok
    /// Requests wait to be handled, or replies wait to be sent.
    case busy
    /// The transport does not read from it, for this reason.
    case blocked(BlockedReason)
}

/// The reason why the transport does not read from a connection.
public enum BlockedReason: UInt8, Sendable, CaseIterable {
    /// The peer does not read its replies.
    case peerNotReading
    /// More of its requests are outstanding than its quota allows.
    case outstandingRequests
    /// A guest does not read the events that this peer has caused.
    case unreadEvents
    /// Its domain holds more memory than its quota allows.
    case memory
    /// A transaction of dom0 has the store for itself, for a short time.
    case reservation

    /// The reason in words, for the operator.
    public var summary: StaticString {
        switch self {
        case .peerNotReading: "the client does not read its replies"
        case .outstandingRequests: "too many requests of the domain are under way"
        case .unreadEvents: "another domain does not read the events that this one causes"
        case .memory: "the domain is out of its memory quota"
        case .reservation: "a transaction of dom0 failed too often and has the store to itself"
        }
    }
}
