// SPDX-License-Identifier: Apache-2.0
import StreamSocket
import XenStorePlugin
import XenStoreWire

/// A socket for monitoring.
///
/// Its clients see everything that dom0 sees. The kernel answers EROFS to a request that would change something, and
/// EACCES to an operation of the toolstack.
public final class ReadOnlySocket: UnixSocketTransport {
    public static let name = "read-only-socket"
    public static let summary = "A unix socket that reads, lists and watches everything and changes nothing."
    public static let keys =
        SocketSettings.keys(path: "${rundir}/socket_ro", mode: 0o660, connections: 100) + ClientLimits.keys

    public let door: UnixDoor

    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        let peer = Peer(
            domain: .control, isPrivileged: true, mayWrite: false, transport: "read-only-socket",
            limits: ClientLimits(configuration))
        door = try UnixDoor(configuration, for: peer)
    }
}
