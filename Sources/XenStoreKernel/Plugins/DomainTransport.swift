// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A transport that reaches domains, and to which INTRODUCE is routed. At most one runs.
///
/// The kernel decides who is introduced; the transport maps the ring and moves bytes. It opens the
/// session of dom0's own kernel itself when it starts.
public protocol DomainTransport: Transport {
    /// What it knows about domains.
    var hypervisor: any Hypervisor { get }
    /// Maps the domain's ring, tells it `features`, binds its event channel `port` and begins to
    /// serve it: connects a session with ``Kernel/connect(_:as:)`` and returns it. The ring begins
    /// empty, whatever was in it. WireError as C xenstored would have it: EINVAL for what cannot be
    /// mapped or bound. `frame` is where the toolstack says that the ring is; a transport that has the
    /// domain's own grant does not need it.
    func introduce(_ domain: DomainID, frame: UInt64, port: UInt32, features: Feature) throws(WireError) -> Session
    /// The domain was introduced before, and is again: binds the event channel `port`, and if that works ends
    /// the old session with ``Kernel/disconnect(_:)``, empties the ring, clears its error and serves it with a
    /// new session. If it throws, the old session is served on as far as possible.
    func reintroduce(_ domain: DomainID, frame: UInt64, port: UInt32, features: Feature) throws(WireError) -> Session
    /// Serves a domain again that was introduced before the daemon was restarted: as ``introduce``,
    /// but what is in the ring stays there, and is answered.
    func resume(_ domain: DomainID, frame: UInt64, port: UInt32, features: Feature) throws(WireError) -> Session
    /// Unbinds and unmaps what the domain has. Its session is already gone.
    func release(_ domain: DomainID)
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
    /// It is being torn down, or is gone but for the pages somebody else still maps.
    public var isDead: Bool

    public init(uniqueID: UInt64, isShutdown: Bool = false, isDead: Bool = false) {
        self.uniqueID = uniqueID
        self.isShutdown = isShutdown
        self.isDead = isDead
    }
}
