// SPDX-License-Identifier: Apache-2.0

/// What a transport may ask of the daemon that runs it: the kernel, which hands itself to each transport at its start.
///
/// One thread drives it. Links and transports may call it whenever they are called, and at any other time; a
/// ``DomainTransport`` that is asked to introduce or release a domain must not.
public protocol PluginHost: AnyObject {
    // MARK: Connections

    /// A client has connected. The kernel keeps `link` until the connection ends.
    ///
    /// `indexes` is how far the streams have got with a peer that was there before: it goes on from there,
    /// or from where the daemon before this one has noted that it got.
    func connect(_ link: any Link, as peer: Peer, at indexes: StreamIndexes) -> Connection

    /// The peer wants to begin again over a ring that was given up since it broke the protocol: it is
    /// served again, as after INTRODUCE.
    func reconnect(_ link: any Link, as peer: Peer) -> Connection

    /// The peer is gone. The transport closes the wire itself; the connection must not be used
    /// any more.
    func disconnect(_ connection: Connection)

    /// The peer wants to begin again over the same ring: its watches, its transactions, and all that
    /// is on the way either way are dropped. The connection stays.
    func reset(_ connection: Connection)

    // MARK: Bytes

    /// Bytes have come from the peer. They are answered in place or kept; the buffer is free again
    /// when this returns.
    func receive(_ bytes: UnsafeRawBufferPointer, on connection: Connection)

    /// The peer sends no more, but may still read: the connection ends when it has been answered.
    func receivedEnd(on connection: Connection)

    /// `count` of the connection's unsent bytes have gone out.
    func sent(_ count: Int, on connection: Connection)

    /// The peer has made room for more of what is to be sent. The connection is flushed when the turn
    /// ends, not before: what this turn has answered is not safe to be seen until then.
    func resumeSending(on connection: Connection)

    /// The peer has moved the indexes itself, such as hvmloader, which clears the whole page before it
    /// starts what comes after it: from now on they count from elsewhere.
    func indexesMoved(on connection: Connection, from old: StreamIndexes, to new: StreamIndexes)

    // MARK: Domains

    /// The transport that reaches domains has started: INTRODUCE is routed to it from now on.
    func serveDomains(by transport: any DomainTransport)

    /// Some domain has changed its state (VIRQ_DOM_EXC): looks at all that matter here.
    func domainsChanged()
}

extension PluginHost {
    /// A client has connected whose streams begin.
    public func connect(_ link: any Link, as peer: Peer) -> Connection {
        connect(link, as: peer, at: StreamIndexes())
    }
}
