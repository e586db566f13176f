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
        // One by one: a conversion of the whole list would look up the protocol of each plugin when the program runs.
        switch kind {
        case .transport: transports.map { $0 }
        case .storage: storages.map { $0 }
        case .policy: policies.map { $0 }
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
    public let transports: [any Transport]
    public let storage: any Storage
    /// The policies, in the order of the configuration. The kernel asks them in this order.
    public let policies: [any Policy]
    /// Plugins of all kinds: the transports, the storage, the policies.
    public let all: [NamedPlugin]

    /// Makes a set. `names` are the names of the plugins in the configuration, in the order of ``all``. By default each
    /// plugin has the name of its type.
    public init(transports: [any Transport], storage: any Storage, policies: [any Policy], names: [String]? = nil) {
        self.transports = transports
        self.storage = storage
        self.policies = policies
        let all: [any Plugin] = transports + [storage] + policies
        self.all = zip(all, names ?? all.map { type(of: $0).name }).map { NamedPlugin($0, as: $1) }
    }
}

/// A plugin that runs, under its name in the configuration.
public struct NamedPlugin {
    /// Such as `unix-socket`, or `unix-socket@admin` if there are several of the kind.
    public let name: String
    public let plugin: any Plugin

    public init(_ plugin: any Plugin, as name: String) {
        self.plugin = plugin
        self.name = name
    }
}
