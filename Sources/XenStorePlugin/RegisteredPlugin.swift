// SPDX-License-Identifier: Apache-2.0

/// A plugin that a configuration may name, and the way to make it.
public struct RegisteredPlugin<Kind> {
    /// What is known of the plugin before it is made.
    public let description: PluginDescription
    private let maker: (ConfigurationBlock) throws(ConfigurationError) -> Kind

    /// Registers a plugin of any origin. `maker` makes it from the checked values of its block.
    public init(
        _ description: PluginDescription, maker: @escaping (ConfigurationBlock) throws(ConfigurationError) -> Kind
    ) {
        self.description = description
        self.maker = maker
    }

    /// Makes the plugin. It does not touch the system yet.
    public func make(_ block: ConfigurationBlock) throws(ConfigurationError) -> Kind { try maker(block) }
}

extension RegisteredPlugin where Kind == any Transport {
    /// Registers a transport of this program.
    public init(_ type: any Transport.Type) {
        let serves: PluginRole? = type is any DomainTransport.Type ? .reachesDomains : nil
        self.init(PluginDescription(type, onlyOne: serves)) { block throws(ConfigurationError) in try type.init(block) }
    }
}

extension RegisteredPlugin where Kind == any Storage {
    /// Registers a storage of this program.
    public init(_ type: any Storage.Type) {
        self.init(PluginDescription(type)) { block throws(ConfigurationError) in try type.init(block) }
    }
}

extension RegisteredPlugin where Kind == any Policy {
    /// Registers a policy of this program.
    public init(_ type: any Policy.Type) {
        let has: PluginRole? = type is any LimitTable.Type ? .hasLimits : nil
        self.init(PluginDescription(type, onlyOne: has)) { block throws(ConfigurationError) in try type.init(block) }
    }
}

/// What only one plugin of a daemon can do.
public enum PluginRole: Sendable {
    /// It is a ``DomainTransport``.
    case reachesDomains
    /// It is a ``LimitTable``.
    case hasLimits
}

/// What is known of a plugin before it is made.
public struct PluginDescription {
    /// The name in the configuration file, such as `unix-socket`.
    public let name: String
    /// One sentence for `--plugins`.
    public let summary: String
    /// The shared object that it comes from; nil if it is compiled in.
    public let file: String?
    /// What it does that no second plugin can do beside it.
    public let role: PluginRole?
    private let keyList: () -> [ConfigurationKey]
    private let inspector: Inspector?

    /// Looks at a file as ``Inspectable/inspect(_:_:)`` says.
    public typealias Inspector = (String, InspectionPurpose) throws(StorageError) -> Inspection?

    /// The keys of the plugin's block, with their defaults.
    public var keys: [ConfigurationKey] { keyList() }

    /// Describes a plugin of this program.
    public init(_ type: any Plugin.Type, onlyOne role: PluginRole? = nil) {
        name = type.name
        summary = type.summary
        file = nil
        self.role = role
        // Not all plugins are chosen, and their keys need not be made then.
        keyList = { type.keys }
        if let type = type as? any Inspectable.Type {
            inspector = { file, purpose throws(StorageError) in try type.inspect(file, purpose) }
        } else {
            inspector = nil
        }
    }

    /// Describes a plugin of a shared object. `inspector`: nil if the plugin keeps nothing in a file.
    public init(
        name: String, summary: String, keys: [ConfigurationKey], file: String, inspector: Inspector? = nil
    ) {
        self.name = name
        self.summary = summary
        self.file = file
        role = nil
        keyList = { keys }
        self.inspector = inspector
    }

    /// Whether the plugin keeps something in a file that it can look at: ``inspect(_:_:)``.
    public var isInspectable: Bool { inspector != nil }

    /// Looks at a file as ``Inspectable/inspect(_:_:)`` says. Nil if the plugin never makes such a file.
    public func inspect(_ path: String, _ purpose: InspectionPurpose) throws(StorageError) -> Inspection? {
        try inspector?(path, purpose)
    }
}
