// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Limits how much a domain may hold. A limit is the largest allowed number; 0 means unlimited.
///
/// A limit is for all domains or for one. It comes from the configuration, or SET_QUOTA sets it at run time.
public final class Quotas: LimitTable, Reloadable {
    public static var name: String { "quotas" }
    public static var summary: String { "Limits how much each guest may hold; 0 means unlimited." }

    /// The limits of the configuration.
    private var configured: ConfiguredLimits
    /// The limits that were set at run time and still hold.
    private var set: [LimitKey: LimitSetting] = [:]
    /// The global limits in force, by resource; 0 for unlimited. They combine the two above.
    private var global: [UInt32]
    /// The domains that have limits of their own.
    private var own: [DomainID: [Resource: UInt32]]
    let configuration: ConfigurationBlock

    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        configured = try ConfiguredLimits(configuration)
        global = configured.global
        own = configured.own
        self.configuration = configuration
    }

    /// Takes the new configuration. A limit that was set at run time stays, unless the configuration now says something
    /// else about it than it did then.
    public func reload(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        configured = try ConfiguredLimits(configuration)
        global = configured.global
        own = configured.own
        for (key, setting) in set.sorted(by: { $0.key < $1.key }) {
            let stands = configured.mark(of: key) == setting.configured
            let inFile = configured.limit(of: key)
            if stands { apply(setting) } else { set[key] = nil }
            self.configuration.log.notice(
                stands
                    ? "\(key) stays \(setting.limit), which was set at run time; the configuration says \(inFile)"
                    : "\(key) is \(inFile) now, not \(setting.limit) as was set at run time: the configuration has changed"
            )
        }
    }

    public func refusal(of resource: Resource, amount: Int, for domain: DomainID) -> WireError? {
        let limit = limit(of: resource, for: domain)
        return limit == 0 || amount <= Int(limit) ? nil : resource.error
    }

    public func limit(of resource: Resource, for domain: DomainID?) -> UInt32 {
        if !own.isEmpty, let domain, let limit = own[domain]?[resource] { return limit }
        return global[Int(resource.rawValue)]
    }

    @discardableResult
    public func setLimit(_ limit: UInt32, of resource: Resource, for domain: DomainID?) -> LimitSetting {
        let key = LimitKey(domain: domain, resource: resource)
        let setting = LimitSetting(
            limit: limit, resource: resource, domain: domain, configured: configured.mark(of: key))
        set[key] = setting
        apply(setting)
        return setting
    }

    public func restore(_ setting: LimitSetting) -> Bool {
        let key = LimitKey(domain: setting.domain, resource: setting.resource)
        guard configured.mark(of: key) == setting.configured else { return false }
        set[key] = setting
        apply(setting)
        return true
    }

    public var settings: [LimitSetting] { Array(set.values) }

    private func apply(_ setting: LimitSetting) {
        if let domain = setting.domain {
            own[domain, default: [:]][setting.resource] = setting.limit
        } else {
            global[Int(setting.resource.rawValue)] = setting.limit
        }
    }

    public func forget(_ domain: DomainID) {
        own[domain] = configured.own[domain]
        for key in set.keys where key.domain == domain { set[key] = nil }
    }
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

    /// The error for a client that exceeds the limit.
    var error: WireError {
        switch self {
        case .memory, .softMemory: .EIO
        case .pathMax: .EINVAL
        default: .ENOSPC
        }
    }
}
