// SPDX-License-Identifier: Apache-2.0
import StreamSocket
import XenStorePlugin
import XenStoreWire

/// The socket for the host's toolstack. Each of its clients is dom0.
public final class UnixSocket: UnixSocketTransport {
    public static let name = "unix-socket"
    public static let summary = "A unix socket for the tools of the control domain, with all rights."
    public static let keys = SocketSettings.keys(path: "${rundir}/socket", mode: 0o600, connections: 0)

    public let door: UnixDoor

    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        door = try UnixDoor(
            configuration, for: Peer(domain: .control, isPrivileged: true, transport: "unix-socket"))
    }
}
