// SPDX-License-Identifier: Apache-2.0

/// A way for clients to reach the daemon. A transport moves bytes and names the client. Only the kernel understands the
/// bytes.
///
/// For each connection a transport makes a ``Link`` and hands it to ``PluginHost/connect(_:as:at:)``. It hands received
/// bytes to ``PluginHost/receive(_:on:)``, and sends the bytes of ``Connection/unsent``.
public protocol Transport: Plugin {
    /// Starts to accept connections. When this returns, clients can connect.
    func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError)
    /// Closes everything, and removes things that `start` has made, such as a socket's file.
    func stop()
}

/// The wire of one connection.
public protocol Link: AnyObject {
    /// Sends as many of the connection's unsent bytes as the wire accepts, and reports the number with
    /// ``PluginHost/sent(_:on:)``. When the wire has room again, the transport sends the rest. The kernel calls this at
    /// the end of a turn, when the peer may see the turn's replies. For a peer that outlives the daemon it also calls
    /// this if there is nothing to send, after each turn that has taken bytes: only now the peer may see the new
    /// position of taken bytes (``Connection/indexes``).
    func flush(_ connection: Connection)
    /// How many bytes the wire accepts at once. The kernel uses this only for peers that outlive the daemon. If more is
    /// unsent, it stores the unsent bytes before it sends any.
    var room: Int { get }
    /// ``Connection/isReading`` has changed: the transport stops reading from the peer, or goes on.
    func readingChanged(_ connection: Connection)
    /// The kernel has connected this link, which a ``DomainTransport`` has returned.
    func connected(_ connection: Connection)
    /// The kernel has ended the connection: the transport closes the wire. It must not use the ``Connection`` any more.
    func close(_ reason: EndReason)
}

extension Link {
    public var room: Int { .max }
    public func connected(_ connection: Connection) {}
}

/// The reason why the kernel has ended a connection.
public enum EndReason: Sendable, Equatable {
    /// The peer sends nothing more, and has all its replies.
    case answered
    /// A message longer than the protocol allows.
    case oversizedMessage
    /// The peer does not read its events.
    case peerNotReading
}
