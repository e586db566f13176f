// SPDX-License-Identifier: Apache-2.0

/// The daemon as its transports see it. The kernel is one, and each transport gets it when it starts.
///
/// One thread calls everything. Links and transports may call the host at any time, also while the host calls them. But
/// a ``DomainTransport`` must not call it from a method that introduces or releases a domain.
public protocol PluginHost: AnyObject {
    // MARK: Connections

    /// Connects a client. The kernel keeps `link` until the connection ends.
    ///
    /// `indexes` are the present stream positions of a peer that an earlier daemon has served. The connection goes on
    /// there, or at the positions that the earlier daemon has stored.
    func connect(_ link: any Link, as peer: Peer, at indexes: StreamIndexes) -> Connection

    /// Serves a peer again over a ring that the daemon has given up, as after INTRODUCE. The peer has asked for a new
    /// start.
    func reconnect(_ link: any Link, as peer: Peer) -> Connection

    /// Ends a connection whose peer is gone. The transport closes the wire itself, and must not use the connection any
    /// more.
    func disconnect(_ connection: Connection)

    /// Makes a new start for a peer over the same ring. Drops its watches, its transactions, and all requests and
    /// replies on their way. The connection stays.
    func reset(_ connection: Connection)

    // MARK: Bytes

    /// Takes bytes from the peer. The kernel handles or copies them, so the buffer is free again when this returns.
    func receive(_ bytes: UnsafeRawBufferPointer, on connection: Connection)

    /// Tells that the peer sends nothing more, but may still read. The connection ends after the last reply.
    func receivedEnd(on connection: Connection)

    /// Tells that the transport has sent `count` of the unsent bytes.
    func sent(_ count: Int, on connection: Connection)

    /// Tells that the peer has room for more bytes. The kernel flushes the connection at the end of the turn, since
    /// before that nobody may see the replies of the turn.
    func resumeSending(on connection: Connection)

    /// Tells that the peer itself has changed the indexes. hvmloader does so: it clears the page before it starts the
    /// next program. The streams go on at the new indexes.
    func indexesMoved(on connection: Connection, from old: StreamIndexes, to new: StreamIndexes)

    // MARK: Domains

    /// Tells that a transport for domains has started. INTRODUCE goes to it from now on.
    func serveDomains(by transport: any DomainTransport)

    /// Tells that the state of some domain has changed (VIRQ_DOM_EXC). The kernel then asks for the state of all
    /// domains that it serves.
    func domainsChanged()

    // MARK: Counters

    /// What the daemon has measured by now, and then what each plugin has that is ``Measurable``, in the order of the
    /// configuration. It takes longer the more connections are open: ask when somebody asks, not all the time.
    func measurements() -> [MeasuredPart]
}

extension PluginHost {
    /// Connects a client whose streams begin.
    public func connect(_ link: any Link, as peer: Peer) -> Connection {
        connect(link, as: peer, at: StreamIndexes())
    }
}
