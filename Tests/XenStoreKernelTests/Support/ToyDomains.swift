// SPDX-License-Identifier: Apache-2.0
import XenStoreKernel
import XenStoreWire

/// A transport for domains that are there or not as a test says; their clients never say anything.
final class ToyDomains: DomainTransport, Hypervisor {
    static let name = "toy"
    static let summary = "Domains that come and go as told, for tests."
    static let keys: [ConfigurationKey] = []

    /// The domains there are.
    var states: [DomainID: DomainState] = [:]
    private(set) var released: [DomainID] = []
    private unowned let kernel: Kernel

    init(_ kernel: Kernel) { self.kernel = kernel }
    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        throw ConfigurationError("only tests make this", key: "")
    }

    var hypervisor: any Hypervisor { self }
    func state(of domain: DomainID) -> DomainState? { states[domain] }

    func start(on loop: any EventLoop, kernel: Kernel) throws(SystemError) {}
    func stop() {}
    func introduce(_ domain: DomainID, frame: UInt64, port: UInt32, features: Feature) throws(WireError) -> Session {
        kernel.connect(Silence(), as: Peer(domain: domain, isPrivileged: false, transport: "toy"))
    }
    func reintroduce(_ domain: DomainID, frame: UInt64, port: UInt32, features: Feature) throws(WireError) -> Session {
        try introduce(domain, frame: frame, port: port, features: features)
    }
    func resume(_ domain: DomainID, frame: UInt64, port: UInt32, features: Feature) throws(WireError) -> Session {
        try introduce(domain, frame: frame, port: port, features: features)
    }
    func release(_ domain: DomainID) { released.append(domain) }

    private final class Silence: Link {
        func flush(_ session: Session) {}
        func readingChanged(_ session: Session) {}
        func close(_ reason: EndReason) {}
    }
}
