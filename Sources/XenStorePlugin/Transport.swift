// SPDX-License-Identifier: Apache-2.0

/// A way for clients to reach the daemon. It moves bytes and says who is on the other end; what the
/// bytes mean is the kernel's business.
///
/// For each connection a transport makes a ``Link`` and hands it to ``PluginHost/connect(_:as:at:)``. It hands what
/// it reads to ``PluginHost/receive(_:on:)``, and sends what ``Connection/unsent`` holds.
public protocol Transport: Plugin {
    /// Starts to accept connections. When it returns, clients can connect.
    func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError)
    /// Closes everything and removes what `start` made, such as a socket file.
    func stop()
}

/// One connection's wire, as its transport moves bytes over it.
public protocol Link: AnyObject {
    /// Sends what the wire takes of the connection's unsent bytes and reports it with
    /// ``PluginHost/sent(_:on:)``. What it does not take must be tried again when the wire has room.
    /// Called at the end of a turn, when what is to be sent is safe to be seen. For a peer that
    /// outlives the daemon it is called whenever something has come from it, even if there is nothing
    /// to be sent: only now may the peer learn what was taken (``Connection/indexes``).
    func flush(_ connection: Connection)
    /// How many bytes the wire takes at once. Asked only for peers that outlive the daemon: more than
    /// that is noted before any of it is sent.
    var room: Int { get }
    /// ``Connection/isReading`` has changed: stop or resume reading from the peer.
    func readingChanged(_ connection: Connection)
    /// The kernel has connected the link of a domain, which ``DomainTransport`` has returned to it.
    func connected(_ connection: Connection)
    /// The kernel has ended the connection: close the wire. The ``Connection`` is already gone and must not be used
    /// any more.
    func close(_ reason: EndReason)
}

extension Link {
    public var room: Int { .max }
    public func connected(_ connection: Connection) {}
}

/// Why the kernel has ended a connection.
public enum EndReason: Sendable, Equatable {
    /// The peer had said that it sends no more, and all was answered.
    case answered
    /// A message longer than the protocol allows.
    case oversizedMessage
    /// The peer does not read what it asked to be told.
    case peerNotReading
}
