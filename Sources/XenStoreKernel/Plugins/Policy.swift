// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Answers whether a client may do what it asks for. The kernel counts and finds; a policy judges.
///
/// Policies are asked in the order of the configuration; the first refusal is the answer. They are
/// not asked about privileged connections: dom0 owns every node, and a policy must not be able to
/// lock the operator out of the host.
public protocol Policy: Plugin {
    /// May this client touch a node with these permissions in this way? All of `access` is needed.
    func mayAccess(_ permissions: borrowing PermissionList, _ access: Access, as client: Client) -> Bool
    /// May `domain` come to hold `amount` of `resource`? Nil if it may, else the error it gets.
    func refusal(of resource: Resource, amount: Int, for domain: DomainID) -> WireError?
}

extension Policy {
    public func mayAccess(_ permissions: borrowing PermissionList, _ access: Access, as client: Client) -> Bool { true }
    public func refusal(of resource: Resource, amount: Int, for domain: DomainID) -> WireError? { nil }
}

/// Who asks, as far as permissions go.
public struct Client: Sendable, Hashable {
    public var domain: DomainID
    /// The domain this one does device emulation for, and whose rights it shares (SET_TARGET).
    public var target: DomainID?

    public init(domain: DomainID, target: DomainID? = nil) {
        self.domain = domain
        self.target = target
    }
}

/// What a domain can use up, by the names of CONTROL `quota` and GET_QUOTA, in their order.
public enum Resource: UInt8, CaseIterable, Sendable {
    case nodes, watches, outstanding, memory, softMemory
    case transactions, transactionNodes, nodePermissions, pathMax, nodeSize
    /// Requests in one transaction; touches of nodes and events of one transaction.
    case transactionRequests, transactionWork
    /// Bytes of events that wait to be read; seconds that others wait for that at most.
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
}

/// A policy whose limits can be read and changed while the daemon runs: GET_QUOTA, SET_QUOTA and
/// CONTROL `quota`. At most one policy should be one.
public protocol LimitTable: Policy {
    /// The limit in force: for `domain`, or the global one if nil. 0 means unlimited.
    func limit(of resource: Resource, for domain: DomainID?) -> UInt32
    /// Sets a limit at run time, for one domain or globally. It stands until the configuration says something
    /// else about it than it does now.
    @discardableResult
    func setLimit(_ limit: UInt32, of resource: Resource, for domain: DomainID?) -> LimitSetting
    /// Sets a limit again that a daemon before this one has set. False if the configuration says something else
    /// about it by now, which then holds.
    func restore(_ setting: LimitSetting) -> Bool
    /// All limits that were set at run time and stand, in any order.
    var settings: [LimitSetting] { get }
    /// The domain is gone: its number may come again for another, which starts with the defaults.
    func forget(_ domain: DomainID)
}

/// A limit that was set at run time.
public struct LimitSetting: Hashable, Sendable {
    public var limit: UInt32
    public var resource: Resource
    /// Nil for the limit of all domains.
    public var domain: DomainID?
    /// What the configuration said about it, as a number that means something to the ``LimitTable`` alone.
    public var configured: UInt64

    public init(limit: UInt32, resource: Resource, domain: DomainID?, configured: UInt64) {
        self.limit = limit
        self.resource = resource
        self.domain = domain
        self.configured = configured
    }
}
