// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// A transport on a unix socket. All its clients are the same `Peer`. It adds a name, its keys and a door.
public protocol UnixSocketTransport: Transport, Surveying, Restoring, Measurable {
    /// The socket. The transport makes it, and opens it when it starts.
    var door: UnixDoor { get }
}

extension UnixSocketTransport {
    public func survey(_ warn: (ConfigurationError) -> Void) throws(ConfigurationError) { try door.survey(warn) }
    public func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError) {
        try door.open(on: loop, host: host)
    }
    public func restore() { door.restore() }
    public func stop() { door.close() }
    public var measurements: [Measurement] { door.measurements }
}

/// The socket of a ``UnixSocketTransport``.
public final class UnixDoor {
    private let configuration: ConfigurationBlock
    private let settings: SocketSettings
    private let peer: Peer
    private var listener: SocketListener?

    /// Reads a block of ``SocketSettings/keys(path:mode:connections:)``. Each client of the socket is `peer`, with the
    /// name of the block in the log.
    public init(_ configuration: ConfigurationBlock, for peer: Peer) throws(ConfigurationError) {
        settings = try SocketSettings(configuration)
        self.configuration = configuration
        self.peer = peer.named(configuration.name)
    }

    func survey(_ warn: (ConfigurationError) -> Void) throws(ConfigurationError) {
        try settings.survey(of: configuration, warn)
    }

    func open(on loop: any EventLoop, host: any PluginHost) throws(SystemError) {
        listener = try SocketListener(settings, peer: peer, on: loop, host: host, log: configuration.log)
    }

    func restore() { listener?.restoreFile() }

    var measurements: [Measurement] {
        [.current("connections", UInt64(listener?.connectionCount ?? 0), "Clients of this socket.")]
    }

    func close() {
        listener?.stop()
        listener = nil
    }
}

extension Peer {
    /// The same peer of a transport with this name, if it has one.
    fileprivate func named(_ name: String) -> Peer {
        var peer = self
        if !name.isEmpty { peer.transport = name }
        return peer
    }
}
