// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A transport that reaches domains, and to which INTRODUCE is routed. At most one runs.
///
/// The kernel decides who is introduced; the transport maps the ring and moves bytes. It
/// connects dom0's own kernel itself when it starts.
public protocol DomainTransport: Transport {
    /// What it knows about domains.
    var hypervisor: any Hypervisor { get }
    /// Maps the domain's ring, which begins empty, whatever was in it, and binds its event channel `port`. The
    /// kernel then connects the wire that is returned, and tells its link (``Link/connected(_:)``): only then the
    /// domain is told `features` and served. WireError as C xenstored would have it: EINVAL for what cannot be
    /// mapped or bound. `frame` is where the toolstack says that the ring is; a transport that has the domain's own
    /// grant does not need it.
    ///
    /// None of these may call the ``PluginHost``.
    func introduce(_ domain: DomainID, frame: UInt64, port: UInt32, features: Feature) throws(WireError) -> DomainWire
    /// The domain was introduced before, and is again: binds the event channel `port`, and if that works empties
    /// the ring and clears its error. The kernel ends the old connection. If it throws, the old connection is served on
    /// as far as possible.
    func reintroduce(_ domain: DomainID, frame: UInt64, port: UInt32, features: Feature) throws(WireError)
        -> DomainWire
    /// Serves a domain again that was introduced before the daemon was restarted: as `introduce` does,
    /// but what is in the ring stays there, and is answered.
    func resume(_ domain: DomainID, frame: UInt64, port: UInt32, features: Feature) throws(WireError) -> DomainWire
    /// Unbinds and unmaps what the domain has. Its connection is already gone.
    func release(_ domain: DomainID)
}

/// A domain's wire, ready to be connected.
public struct DomainWire {
    public var link: any Link
    public var peer: Peer
    /// How far the streams have got with a domain that was there before.
    public var indexes: StreamIndexes

    public init(_ link: any Link, to peer: Peer, at indexes: StreamIndexes = StreamIndexes()) {
        self.link = link
        self.peer = peer
        self.indexes = indexes
    }
}

/// Which domains there are.
public protocol Hypervisor: AnyObject {
    /// What is known of a domain, nil if there is none under this number.
    func state(of domain: DomainID) -> DomainState?
}

/// A domain as the hypervisor sees it.
public struct DomainState: Sendable, Equatable {
    /// Differs for each domain there ever was on this host, as far as the hypervisor can tell:
    /// numbers are used again, these are not.
    public var uniqueID: UInt64
    /// It has shut down, in whatever way, and may be resumed.
    public var isShutdown: Bool
    /// It is being torn down, or is gone, except for pages that somebody else still maps.
    public var isDead: Bool

    public init(uniqueID: UInt64, isShutdown: Bool = false, isDead: Bool = false) {
        self.uniqueID = uniqueID
        self.isShutdown = isShutdown
        self.isDead = isDead
    }
}
