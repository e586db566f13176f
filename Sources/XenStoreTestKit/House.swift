// SPDX-License-Identifier: Apache-2.0
import MemoryStorage
import PermissionsPolicy
import QuotasPolicy
import XenStoreEngine
import XenStorePlugin
import XenStoreWire

/// A daemon with the policies of the product, and callers of any domain.
///
///     let house = try House(limits: [.nodes: 2])
///     let guest = house.guest(5)
///     #expect(guest.write("a") == .ok)
///     #expect(guest.write("b") == .error(.ENOSPC))
public final class House {
    /// The daemon.
    public let host: EmbeddedHost
    /// The policy with the limits. A test may change them.
    public let quotas: Quotas
    /// The storage, if the test has given one. Otherwise the store is only in memory.
    public let storage: FailingStorage?
    /// A connection of dom0.
    public let dom0: Caller

    /// Makes a daemon.
    ///
    /// - Parameters:
    ///   - limits: limits for all domains. The other limits have their defaults.
    ///   - own: limits of single domains, by domain id.
    ///   - storage: keeps the store; nil for none.
    public init(
        limits: [Resource: Int] = [:], own: [Int: [Resource: Int]] = [:], storage: FailingStorage? = nil
    ) throws {
        var block = ConfigurationBlock(defaultsOf: Quotas.keys)
        for (resource, limit) in limits { block = block.with("\(resource.name)", .number(limit)) }
        if !own.isEmpty { block = block.with("domains", .domains(House.blocks(own))) }
        quotas = try Quotas(block)
        self.storage = storage
        host = try EmbeddedHost(
            storage: storage ?? Memory(ConfigurationBlock([:])),
            policies: [Permissions(ConfigurationBlock([:])), quotas])
        dom0 = host.caller(0)
    }

    private static func blocks(_ own: [Int: [Resource: Int]]) -> [(domain: Int, block: ConfigurationBlock)] {
        own.map { domain, limits in
            let values = limits.map { ("\($0.name)", ConfigurationValue.number($1)) }
            return (domain, ConfigurationBlock(Dictionary(uniqueKeysWithValues: values)))
        }
    }

    /// The engine of the daemon.
    public var engine: Engine { host.engine }

    /// Connects a client of a domain. A client of dom0 is privileged.
    public func caller(_ domain: UInt16, mayWrite: Bool = true) -> Caller { host.caller(domain, mayWrite: mayWrite) }

    /// Makes a home for a guest, as a toolstack does, and connects the guest.
    public func guest(_ domain: UInt16) -> Caller { host.guest(domain) }

    /// The log's lines of one level.
    public func log(_ level: LogLevel) -> [String] { host.log(level) }
}
