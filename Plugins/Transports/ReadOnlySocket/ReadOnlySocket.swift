// SPDX-License-Identifier: Apache-2.0
import StreamSocket
import XenStoreKernel
import XenStoreWire

/// A socket for monitoring.
///
/// Its clients see everything that dom0 sees. The kernel answers EROFS to a request that would change something, and
/// EACCES to an operation of the toolstack.
public final class ReadOnlySocket: Transport, Surveying, Restoring {
    public static let name = "read-only-socket"
    public static let summary = "A unix socket that reads, lists and watches everything and changes nothing."
    public static let keys =
        SocketSettings.keys(path: "${rundir}/socket_ro", mode: 0o660, connections: 100) + ClientLimits.keys

    private let configuration: ConfigurationBlock
    private let settings: SocketSettings
    private let limits: ClientLimits
    private var listener: SocketListener?

    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        settings = try SocketSettings(configuration)
        limits = ClientLimits(configuration)
        self.configuration = configuration
    }

    public func survey(_ warn: (ConfigurationError) -> Void) throws(ConfigurationError) {
        try settings.survey(of: configuration, warn)
    }

    public func start(on loop: any EventLoop, kernel: Kernel) throws(SystemError) {
        let peer = Peer(
            domain: .control, isPrivileged: true, mayWrite: false, transport: "read-only-socket", limits: limits)
        listener = try SocketListener(settings, peer: peer, on: loop, kernel: kernel, log: configuration.log)
    }

    public func restore() { listener?.restoreFile() }

    public func stop() {
        listener?.stop()
        listener = nil
    }
}
