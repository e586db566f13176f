// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Bounds the size of a guest's node.
public final class PluginName: Policy, Reloadable {
    public static let name = "plugin-name"
    public static let summary = "Bounds the size of a guest's node."
    public static let keys = [
        ConfigurationKey("bytes", .number(64...4096), default: .number(512), "The most bytes that one node may have.")
    ]

    private var bytesMax: Int

    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        bytesMax = configuration.number("bytes") ?? 512
    }

    public func refusal(of resource: Resource, amount: Int, for domain: DomainID) -> WireError? {
        resource == .nodeSize && amount > bytesMax ? .ENOSPC : nil
    }

    public func reload(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        bytesMax = configuration.number("bytes") ?? 512
    }
}
