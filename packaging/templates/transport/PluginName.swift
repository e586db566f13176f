// SPDX-License-Identifier: Apache-2.0
import StreamSocket
import XenStorePlugin
import XenStoreWire

/// A unix socket whose clients are one guest.
public final class PluginName: UnixSocketTransport {
    public static let name = "plugin-name"
    public static let summary = "A unix socket whose clients have the rights of one guest."
    public static let keys =
        SocketSettings.keys(path: "${rundir}/plugin-name", mode: 0o600, connections: 100) + [
            ConfigurationKey("domain", .number(1...32_751), default: .number(1), "The guest that the clients are.")
        ]

    public let door: UnixDoor

    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        let domain = DomainID(UInt16(configuration.number("domain") ?? 1))
        let peer = Peer(domain: domain, isPrivileged: false, transport: Self.name)
        door = try UnixDoor(configuration, for: peer)
    }
}
