// SPDX-License-Identifier: Apache-2.0

/// A resource that a domain can use up. The names and their order are those of CONTROL `quota` and GET_QUOTA.
public enum Resource: UInt8, CaseIterable, Sendable {
    case nodes, watches, outstanding, memory, softMemory
    case transactions, transactionNodes, nodePermissions, pathMax, nodeSize
    /// Requests in one transaction; nodes and events that one transaction touches or causes.
    case transactionRequests, transactionWork
    /// Bytes of unread events; seconds that other guests wait for a reader.
    case eventMemory, eventTimeout

    /// The name on the wire, on the command line and in the configuration.
    public var name: StaticString {
        switch self {
        case .nodes: "nodes"
        case .watches: "watches"
        case .outstanding: "outstanding"
        case .memory: "memory"
        case .softMemory: "soft-memory"
        case .transactions: "transactions"
        case .transactionNodes: "transaction-nodes"
        case .nodePermissions: "node-permissions"
        case .pathMax: "path-max"
        case .nodeSize: "node-size"
        case .transactionRequests: "transaction-requests"
        case .transactionWork: "transaction-work"
        case .eventMemory: "event-memory"
        case .eventTimeout: "event-timeout"
        }
    }

    /// The use of the limit, for CONTROL `quota` and the documentation.
    public var summary: StaticString {
        switch self {
        case .nodes: "Nodes per domain"
        case .watches: "Watches per domain"
        case .outstanding: "Outstanding requests per domain"
        case .memory: "Total memory per domain (bytes)"
        case .softMemory: "Total memory per domain before a warning (bytes)"
        case .transactions: "Active transactions per domain"
        case .transactionNodes: "Accessed nodes per transaction"
        case .nodePermissions: "Permissions per node"
        case .pathMax: "Length of a path relative to the domain's home (bytes)"
        case .nodeSize: "Size of a node (bytes)"
        case .transactionRequests: "Requests per transaction"
        case .transactionWork: "Node accesses and events per transaction"
        case .eventMemory: "Unread events per domain (bytes)"
        case .eventTimeout: "Longest wait for a domain to read its events (seconds)"
        }
    }
}
