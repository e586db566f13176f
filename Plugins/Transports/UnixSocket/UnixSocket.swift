// SPDX-License-Identifier: Apache-2.0
import StreamSocket
import XenStoreKernel
import XenStoreWire

/// The socket for the host's toolstack. Each of its clients is dom0.
public final class UnixSocket: Transport, Surveying, Restoring {
    public static let name = "unix-socket"
    public static let summary = "A unix socket for the tools of the control domain, with all rights."
    public static let keys = SocketSettings.keys(path: "${rundir}/socket", mode: 0o600, connections: 0)

    private let configuration: ConfigurationBlock
    private let settings: SocketSettings
    private var listener: SocketListener?

    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        settings = try SocketSettings(configuration)
        self.configuration = configuration
    }

    public func survey(_ warn: (ConfigurationError) -> Void) throws(ConfigurationError) {
        try settings.survey(of: configuration, warn)
    }

    public func start(on loop: any EventLoop, kernel: Kernel) throws(SystemError) {
        let peer = Peer(domain: .control, isPrivileged: true, transport: "unix-socket")
        listener = try SocketListener(settings, peer: peer, on: loop, kernel: kernel, log: configuration.log)
    }

    public func restore() { listener?.restoreFile() }

    public func stop() {
        listener?.stop()
        listener = nil
    }
}
