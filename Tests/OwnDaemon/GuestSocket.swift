// SPDX-License-Identifier: Apache-2.0
import StreamSocket
import XenStorePlugin
import XenStoreWire

/// A socket all of whose clients are one guest, as a simulation of guests might want it.
final class GuestSocket: UnixSocketTransport {
    static let name = "guest-socket"
    static let summary = "A unix socket whose clients have the rights of one guest."
    static let keys =
        SocketSettings.keys(path: "${rundir}/guest", mode: 0o600, connections: 0) + [
            ConfigurationKey(
                "domain", .number(1...32_751), default: nil, "The guest that the clients are.", isRequired: true)
        ]

    let door: UnixDoor

    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        let domain = DomainID(UInt16(configuration.number("domain") ?? 0))
        let peer = Peer(domain: domain, isPrivileged: false, transport: "guest-socket")
        door = try UnixDoor(configuration, for: peer)
    }
}
