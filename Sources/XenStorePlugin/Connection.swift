// SPDX-License-Identifier: Apache-2.0

/// One connection as its transport sees it.
///
/// ``PluginHost/connect(_:as:at:)`` makes it. The class is open, since the kernel is another module and adds its own
/// state. Only this package can call the initializer.
open class Connection {
    public final let peer: Peer
    /// A number that grows with each connection; for the log.
    public final let number: UInt64
    /// Whether the transport may read from the peer. False while the connection is blocked or ends.
    public package(set) final var isReading = true

    @inlinable
    package init(number: UInt64, peer: Peer) {
        self.number = number
        self.peer = peer
    }

    /// The bytes that the transport may send now. They are valid until the next call into the host.
    ///
    /// Storage must first take the changes of a turn. Until then this has only bytes of earlier turns, so nobody sees a
    /// reply that a failed turn would undo.
    open var unsent: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

    /// The present positions in the two streams. The position of taken bytes includes this turn.
    open var indexes: StreamIndexes { StreamIndexes() }

    /// The state of the connection.
    open var state: ConnectionState { .ok }
}
