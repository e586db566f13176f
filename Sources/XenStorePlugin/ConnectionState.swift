// SPDX-License-Identifier: Apache-2.0

/// What a connection is doing, as an operator asks it.
public enum ConnectionState: Sendable, Equatable {
    /// Nothing in hand.
    case ok
    /// Requests in hand, or replies that have not gone out.
    case busy
    /// Not read from, and why.
    case blocked(BlockedReason)
}

/// Why a connection is not read from.
public enum BlockedReason: UInt8, Sendable, CaseIterable {
    /// It does not read what it asked for.
    case peerNotReading
    /// It has more requests under way than its quota allows.
    case outstandingRequests
    /// A guest does not read the events that it has caused.
    case unreadEvents
    /// Its domain holds more memory than its quota allows.
    case memory
    /// A transaction of dom0 has the store to itself for a moment.
    case reservation

    /// For the operator.
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
