// SPDX-License-Identifier: Apache-2.0

/// The plugins in a build of the daemon. The configuration chooses which ones run.
public struct PluginRegistry {
    public var transports: [any Transport.Type]
    public var storages: [any Storage.Type]
    public var policies: [any Policy.Type]

    public init(
        transports: [any Transport.Type] = [], storages: [any Storage.Type] = [], policies: [any Policy.Type] = []
    ) {
        self.transports = transports
        self.storages = storages
        self.policies = policies
    }

    /// The plugins of both. A plugin of `own` replaces one of the same kind and name.
    public static func + (others: PluginRegistry, own: PluginRegistry) -> PluginRegistry {
        PluginRegistry(
            transports: others.transports.filter { other in !own.transports.contains { $0.name == other.name } }
                + own.transports,
            storages: others.storages.filter { other in !own.storages.contains { $0.name == other.name } }
                + own.storages,
            policies: others.policies.filter { other in !own.policies.contains { $0.name == other.name } }
                + own.policies)
    }

    /// All plugins of one kind, in the order of registration.
    public func plugins(of kind: PluginKind) -> [any Plugin.Type] {
        switch kind {
        case .transport: transports
        case .storage: storages
        case .policy: policies
        }
    }
}

/// The three kinds of plugins.
public enum PluginKind: CaseIterable, Sendable {
    case transport, storage, policy

    /// The section of the configuration for plugins of this kind.
    public var section: String {
        switch self {
        case .transport: "transports"
        case .storage: "storage"
        case .policy: "policies"
        }
    }
}

/// The plugins that a configuration names, made and ready to start.
public struct PluginSet {
    /// The transports, in the order of the configuration. They start in this order.
    public var transports: [any Transport]
    public var storage: any Storage
    /// The policies, in the order of the configuration. The kernel asks them in this order.
    public var policies: [any Policy]

    public init(transports: [any Transport], storage: any Storage, policies: [any Policy]) {
        self.transports = transports
        self.storage = storage
        self.policies = policies
    }
}
