// SPDX-License-Identifier: Apache-2.0
import XenStoreEngine
import XenStorePlugin
import XenStoreWire

/// A hypervisor, and a transport for its domains. The test says when a domain appears, shuts down or dies. INTRODUCE
/// connects an ``EmbeddedClient`` for the domain.
public final class EmbeddedDomains: DomainTransport, Hypervisor {
    public static var name: String { "embedded-domains" }
    public static var summary: String { "Domains for tests." }
    public static var keys: [ConfigurationKey] { [] }

    /// The domains that exist. Change it, then call `PluginHost.domainsChanged()`.
    public var states: [DomainID: DomainState] = [:]
    /// The guests that are connected.
    public private(set) var clients: [DomainID: EmbeddedClient] = [:]
    /// The stream positions that the last daemon has reached with each guest. A resumed guest goes on there.
    public var left: [DomainID: StreamIndexes] = [:]
    /// The calls of the kernel, in order: `introduce 5`, `release 5`.
    public private(set) var calls: [String] = []
    /// How the hypervisor tells of changes; by default it is asked for each domain.
    public var surveys = Surveys.none
    /// What it has told last.
    private var told: [DomainID: DomainState] = [:]

    /// What a hypervisor can say of many domains at once.
    public enum Surveys: Sendable, CaseIterable {
        case none, changed, all
    }

    /// Whether INTRODUCE of a connected domain fails.
    public var refusesToReintroduce = false
    private var host: (any PluginHost)?

    public init() {}
    public required init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}

    public var hypervisor: any Hypervisor { self }

    public func state(of domain: DomainID) -> DomainState? { states[domain] }

    public func survey() -> DomainSurvey? {
        switch surveys {
        case .none: return nil
        case .all: return .all(states.map { ($0, $1) })
        case .changed:
            let changed = Set(states.keys).union(told.keys).filter { states[$0] != told[$0] }
                .sorted().prefix(DomainSurvey.changesMax)
            for domain in changed { told[domain] = states[domain] }
            return .changed(changed.map { ($0, states[$0]) })
        }
    }

    /// Makes the host's kernel use this transport for INTRODUCE. Resumes the domains that an earlier daemon has stored.
    public func serve(_ host: EmbeddedHost) {
        self.host = host.engine
        host.engine.serveDomains(by: self)
        host.engine.resumeDomains()
    }

    /// The client of a guest; nil if it is not connected.
    public func client(of domain: UInt16) -> EmbeddedClient? { clients[DomainID(domain)] }

    public func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError) { self.host = host }
    public func stop() {}

    public func introduce(_ domain: DomainID, gfn: UInt64, port: UInt32, features: Feature) throws(WireError)
        -> DomainWire
    {
        try connect(domain, "introduce")
    }

    public func reintroduce(_ domain: DomainID, gfn: UInt64, port: UInt32, features: Feature) throws(WireError)
        -> DomainWire
    {
        if refusesToReintroduce { throw .EINVAL }
        return try connect(domain, "reintroduce")
    }

    public func resume(_ domain: DomainID, gfn: UInt64, port: UInt32, features: Feature) throws(WireError)
        -> DomainWire
    {
        try connect(domain, "resume", at: left[domain] ?? StreamIndexes())
    }

    private func connect(_ domain: DomainID, _ call: String, at indexes: StreamIndexes = StreamIndexes())
        throws(WireError) -> DomainWire
    {
        calls.append("\(call) \(domain.rawValue)")
        guard let host else { throw .EINVAL }
        let peer = Peer(domain: domain, isPrivileged: false, outlivesDaemon: true, transport: "embedded")
        let client = EmbeddedClient(host: host)
        clients[domain] = client
        return DomainWire(client, to: peer, at: indexes)
    }

    public func release(_ domain: DomainID) {
        calls.append("release \(domain.rawValue)")
        clients.removeValue(forKey: domain)?.end()
    }
}
