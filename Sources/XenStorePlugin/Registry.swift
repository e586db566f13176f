// SPDX-License-Identifier: Apache-2.0

/// The plugins that a configuration may name: those in a build of the daemon, and those of shared objects. The
/// configuration chooses which ones run.
public struct PluginRegistry {
    public var transports: [RegisteredPlugin<any Transport>]
    public var storages: [RegisteredPlugin<any Storage>]
    public var policies: [RegisteredPlugin<any Policy>]

    /// A registry of compiled-in plugins.
    public init(
        transports: [any Transport.Type] = [], storages: [any Storage.Type] = [], policies: [any Policy.Type] = []
    ) {
        self.transports = transports.map { RegisteredPlugin($0) }
        self.storages = storages.map { RegisteredPlugin($0) }
        self.policies = policies.map { RegisteredPlugin($0) }
    }

    /// The plugins of both. A plugin of `own` replaces one of the same kind and name.
    public static func + (others: PluginRegistry, own: PluginRegistry) -> PluginRegistry {
        var sum = own
        sum.transports = others.transports.without(own.transports) + own.transports
        sum.storages = others.storages.without(own.storages) + own.storages
        sum.policies = others.policies.without(own.policies) + own.policies
        return sum
    }

    /// What is known of all plugins of one kind, in the order of registration.
    public func plugins(of kind: PluginKind) -> [PluginDescription] {
        switch kind {
        case .transport: transports.map(\.description)
        case .storage: storages.map(\.description)
        case .policy: policies.map(\.description)
        }
    }
}

extension Array {
    fileprivate func without<Kind>(_ others: [RegisteredPlugin<Kind>]) -> [RegisteredPlugin<Kind>]
    where Element == RegisteredPlugin<Kind> {
        filter { plugin in !others.contains { $0.description.name == plugin.description.name } }
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

    /// The storage's name in the configuration.
    public var storageName: String { all[transports.count].name }

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

extension PluginSet {
    /// Makes all plugins ready to run that are ``Preparable``.
    public func prepare() throws(ConfigurationError) {
        for named in all { try (named.plugin as? any Preparable)?.prepare() }
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
