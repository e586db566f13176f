// SPDX-License-Identifier: Apache-2.0

/// One connection as its transport sees it: who is at the other end, and what is to be sent.
///
/// ``PluginHost/connect(_:as:at:)`` makes it. It is open since the kernel, another module, adds to it what it knows of
/// a connection. Nobody else can: the initializer belongs to this package.
open class Connection {
    public final let peer: Peer
    /// Goes up with each connection; for the log.
    public final let number: UInt64
    /// False while the connection is blocked or ending: its transport must not read from the peer.
    public package(set) final var isReading = true

    @inlinable
    package init(number: UInt64, peer: Peer) {
        self.number = number
        self.peer = peer
    }

    /// What may be sent and has not been reported as sent. Valid until the next call into the host.
    ///
    /// In the middle of a turn that storage has yet to take, that is only what earlier turns have
    /// left: nobody sees an answer that might have to be taken back.
    open var unsent: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

    /// Up to where the streams have got: what was taken includes what this turn has taken.
    open var indexes: StreamIndexes { StreamIndexes() }

    /// What the connection is doing.
    open var state: ConnectionState { .ok }
}
