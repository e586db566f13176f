// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A transport that reaches domains. INTRODUCE goes to it. At most one runs.
///
/// The kernel decides which domains are introduced. The transport maps the ring and moves bytes. When it starts, it
/// connects the kernel of the daemon's own domain itself.
public protocol DomainTransport: Transport {
    /// The source of facts about domains.
    var hypervisor: any Hypervisor { get }
    /// The domain in which the daemon runs; dom0 by default. It is introduced from the start, and never ends. It is known
    /// when the transport calls ``PluginHost/serveDomains(by:)``.
    var ownDomain: DomainID { get }
    /// Maps the domain's ring, empties it, and binds its event channel `port`. The kernel then connects the returned
    /// wire and calls ``Link/connected(_:)``. Only after that the transport shows `features` to the domain and serves
    /// it. `gfn` is that of the ring. A transport that has a grant for the page does not need it.
    ///
    /// Throws EINVAL if it cannot map the ring or bind the channel, as C xenstored does. None of these methods may call
    /// the ``PluginHost``.
    func introduce(_ domain: DomainID, gfn: UInt64, port: UInt32, features: Feature) throws(WireError) -> DomainWire
    /// Serves a domain that is introduced again: binds the event channel `port`, then empties the ring and clears its
    /// error. The kernel ends the old connection. If this throws, the old connection goes on as far as possible.
    func reintroduce(_ domain: DomainID, gfn: UInt64, port: UInt32, features: Feature) throws(WireError)
        -> DomainWire
    /// Serves a domain again that an earlier daemon has served. Unlike `introduce`, this keeps the content of the ring,
    /// and the requests in it get their replies.
    func resume(_ domain: DomainID, gfn: UInt64, port: UInt32, features: Feature) throws(WireError) -> DomainWire
    /// Whether the kernel introduces this domain itself if the domain is older than the daemon. The default is no.
    func mayAdopt(_ domain: DomainID) -> Bool
    /// Serves a domain that is older than the daemon, and that no toolstack has introduced. The requests in its ring get
    /// their replies, unless the domain waits for a new start. Throws if the domain has no ring, or if its page does not
    /// name an event channel.
    func adopt(_ domain: DomainID, features: Feature) throws(WireError) -> DomainWire
    /// Unbinds the channel and unmaps the ring of a domain. Its connection has already ended.
    func release(_ domain: DomainID)
}

extension DomainTransport {
    public var ownDomain: DomainID { .control }
    public func mayAdopt(_ domain: DomainID) -> Bool { false }
    public func adopt(_ domain: DomainID, features: Feature) throws(WireError) -> DomainWire { throw .EINVAL }
}

/// The wire of a domain, which the kernel can connect.
public struct DomainWire {
    public var link: any Link
    public var peer: Peer
    /// The positions in the streams of a domain that an earlier daemon has served.
    public var indexes: StreamIndexes
    /// The event channel, if it is not the one that INTRODUCE has named.
    public var port: UInt32?

    public init(
        _ link: any Link, to peer: Peer, at indexes: StreamIndexes = StreamIndexes(), port: UInt32? = nil
    ) {
        self.link = link
        self.peer = peer
        self.indexes = indexes
        self.port = port
    }
}

/// The source of facts about domains.
public protocol Hypervisor: AnyObject {
    /// The state of a domain; nil if no domain has this number.
    func state(of domain: DomainID) -> DomainState?
    /// What may have changed since this was asked last, in few calls. The kernel asks when some domain has come, shut
    /// down or died. The default is nil: then the kernel asks for the state of each domain that it knows.
    func survey() -> DomainSurvey?
}

extension Hypervisor {
    public func survey() -> DomainSurvey? { nil }
}

/// The answer of a hypervisor that is asked for all domains at once.
public enum DomainSurvey: Sendable {
    /// Only these have changed, each to this state; nil if the domain is gone. If there are ``changesMax``, more may
    /// have changed: the kernel asks again, after it has answered others.
    case changed([(domain: DomainID, state: DomainState?)])
    /// These are all domains that there are, each once.
    case all([(domain: DomainID, state: DomainState)])

    /// The number of changes that one answer should tell of at most.
    public static let changesMax = 256

    /// Those that exist.
    package var existing: [(domain: DomainID, state: DomainState)] {
        switch self {
        case .changed(let changed): changed.compactMap { id, state in state.map { (id, $0) } }
        case .all(let all): all
        }
    }
}

/// A domain as the hypervisor sees it.
public struct DomainState: Sendable, Equatable {
    /// A number that no other domain of this host ever has, as far as the hypervisor can tell. Domain ids are used
    /// again.
    public var uniqueID: UInt64
    /// Whether the domain has shut down in any way. It may be resumed.
    public var isShutdown: Bool
    /// Whether the domain dies or is dead. Other domains may still map some of its pages.
    public var isDead: Bool
    /// What the domain may do for the host.
    public var capabilities: DomainCapabilities

    public init(
        uniqueID: UInt64, isShutdown: Bool = false, isDead: Bool = false, capabilities: DomainCapabilities = []
    ) {
        self.uniqueID = uniqueID
        self.isShutdown = isShutdown
        self.isDead = isDead
        self.capabilities = capabilities
    }
}

/// What a domain may do for the host. On most hosts dom0 has all of these, and nobody else has any.
public struct DomainCapabilities: OptionSet, Sendable {
    public let rawValue: UInt32

    /// The domain manages the others: its kernel has all rights in the store.
    public static let control = DomainCapabilities(rawValue: 1)
    /// The domain drives the hardware.
    public static let hardware = DomainCapabilities(rawValue: 2)
    /// A XenStore daemon may run in the domain.
    public static let xenstore = DomainCapabilities(rawValue: 4)

    public init(rawValue: UInt32) { self.rawValue = rawValue }
}
