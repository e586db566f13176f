// SPDX-License-Identifier: Apache-2.0
import XenStoreKernel
import XenStoreWire

/// Bounds what a domain may hold. Exactly as many are allowed as the limit says; 0 means unlimited.
///
/// Limits are global, or one domain's own: from the configuration, or set at run time by SET_QUOTA.
public final class Quotas: LimitTable, Reloadable {
    public static var name: String { "quotas" }
    public static var summary: String { "Bounds what each guest may hold; 0 means unlimited." }

    /// Limits by resource, 0 for unlimited.
    private var global: [UInt32]
    /// The domains that have limits of their own.
    private var own: [DomainID: [Resource: UInt32]]
    /// Those of the configuration: what a domain falls back to when its number is used again.
    private var configured: [DomainID: [Resource: UInt32]]

    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        global = Quotas.limits(in: configuration)
        configured = try Quotas.ownLimits(in: configuration)
        own = configured
    }

    public func reload(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        let configured = try Quotas.ownLimits(in: configuration)
        global = Quotas.limits(in: configuration)
        self.configured = configured
        own = configured
    }

    private static func limits(in block: ConfigurationBlock) -> [UInt32] {
        Resource.allCases.map { UInt32(clamping: block.number("\($0.name)") ?? Int($0.defaultLimit)) }
    }

    private static func ownLimits(in block: ConfigurationBlock) throws(ConfigurationError) -> [DomainID: [Resource:
        UInt32]]
    {
        var limits: [DomainID: [Resource: UInt32]] = [:]
        for (number, own) in block.domains("domains") {
            guard let number = UInt16(exactly: number) else {
                throw ConfigurationError("\(number) is no domain id", key: "domains", at: own.place)
            }
            for resource in Resource.allCases {
                if let limit = own.number("\(resource.name)") {
                    limits[DomainID(number), default: [:]][resource] = UInt32(clamping: limit)
                }
            }
        }
        return limits
    }

    public func refusal(of resource: Resource, amount: Int, for domain: DomainID) -> WireError? {
        let limit = limit(of: resource, for: domain)
        return limit == 0 || amount <= Int(limit) ? nil : resource.error
    }

    public func limit(of resource: Resource, for domain: DomainID?) -> UInt32 {
        if !own.isEmpty, let domain, let limit = own[domain]?[resource] { return limit }
        return global[Int(resource.rawValue)]
    }

    public func setLimit(_ limit: UInt32, of resource: Resource, for domain: DomainID?) {
        if let domain {
            own[domain, default: [:]][resource] = limit
        } else {
            global[Int(resource.rawValue)] = limit
        }
    }

    public func forget(_ domain: DomainID) { own[domain] = configured[domain] }
}

extension Resource {
    /// C xenstored's default, where it has one; oxenstored's for requests in a transaction.
    var defaultLimit: UInt32 {
        switch self {
        case .nodes: 1000
        case .watches: 128
        case .outstanding: 20
        case .memory: 2_621_440
        case .softMemory: 2_097_152
        case .transactions: 10
        case .transactionNodes: 1024
        case .nodePermissions: 5
        case .pathMax: 2048
        case .nodeSize: 2048
        case .transactionRequests: 1024
        case .transactionWork: 16384
        case .eventMemory: 262_144
        case .eventTimeout: 20
        }
    }

    /// What a client gets that wants more.
    var error: WireError {
        switch self {
        case .memory, .softMemory: .EIO
        case .pathMax: .EINVAL
        default: .ENOSPC
        }
    }
}
