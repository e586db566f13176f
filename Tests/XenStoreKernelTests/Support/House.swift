// SPDX-License-Identifier: Apache-2.0
import MemoryStorage
import PermissionsPolicy
import QuotasPolicy
import Testing
import XenStorePlugin
import XenStoreTestKit

@testable import XenStoreEngine
@testable import XenStoreKernel
@testable import XenStoreWire

typealias Operation = XenStoreWire.Operation

/// A daemon with the real policies, and callers of any domain.
final class House {
    let host: EmbeddedHost
    let quotas: Quotas
    /// The storage, if it is the one that can fail.
    let storage: FailingStorage?
    /// A connection of dom0.
    private(set) var dom0: Caller!

    /// `limits` are global, by their names in the configuration; what is not named has its default.
    init(limits: [Resource: Int] = [:], own: [Int: [Resource: Int]] = [:], storage: FailingStorage? = nil) throws {
        var block = ConfigurationBlock(defaultsOf: Quotas.keys)
        for (resource, limit) in limits { block = block.with("\(resource.name)", .number(limit)) }
        if !own.isEmpty { block = block.with("domains", .domains(House.blocks(own))) }
        quotas = try Quotas(block)
        self.storage = storage
        host = try EmbeddedHost(
            storage: storage ?? Memory(ConfigurationBlock([:])),
            policies: [Permissions(ConfigurationBlock([:])), quotas])
        dom0 = caller(0)
    }

    private static func blocks(_ own: [Int: [Resource: Int]]) -> [(domain: Int, block: ConfigurationBlock)] {
        own.map { domain, limits in
            let values = limits.map { ("\($0.name)", ConfigurationValue.number($1)) }
            return (domain, ConfigurationBlock(Dictionary(uniqueKeysWithValues: values)))
        }
    }

    var engine: Engine { host.engine }
    var store: Store { host.engine.kernel.store }
    /// Watches in the index, whoever set them.
    var watchCount: Int { host.engine.kernel.watches.count }

    /// A new connection of a domain; dom0's are privileged.
    func caller(_ domain: UInt16, mayWrite: Bool = true) -> Caller {
        Caller(host: host, client: host.connect(domain: DomainID(domain), mayWrite: mayWrite))
    }

    /// A guest with a home of its own, as a toolstack makes it.
    func guest(_ domain: UInt16) -> Caller {
        dom0.mkdir("/local/domain/\(domain)")
        dom0.setPermissions("/local/domain/\(domain)", "n\(domain)")
        return caller(domain)
    }

    func usage(_ domain: UInt16) -> Usage { engine.kernel.accounts.ledger[DomainID(domain)] }

    func log(_ level: LogLevel) -> [String] { host.log.filter { $0.level == level }.map(\.text) }

    /// Records an issue for whatever contradicts itself in the daemon. `note` says when and where.
    func expectSound(_ note: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation) {
        let problems = StoreCheck.problems(of: store) + engine.kernel.findMiscounts()
        if !problems.isEmpty {
            Issue.record("\(note()): \(problems.joined(separator: "; "))", sourceLocation: sourceLocation)
        }
    }
}

extension Kernel {
    /// Where the ledger differs from what domains hold by a fresh count.
    func findMiscounts() -> [String] {
        var counted: [DomainID: Usage] = [:]
        store.nodes.forEachUsedNode { id in
            let node = store.pointer(id).pointee
            guard node.isLive, node.created != Node.unborn else { return }
            let list = store.permissions[node.permissions]
            counted[list.owner, default: Usage()].nodes += 1
            counted[list.owner, default: Usage()].memory +=
                16 + 8 * list.entries.count + Int(node.valueLength) + store.path(of: id).count
        }
        for session in sessions.all where session.peer.limits == nil {
            let pending = session.peer.isPrivileged ? [] : session.delivery.pending
            let watches = watches.watches(of: session)
            counted[session.domain, default: Usage()].watches += watches.count
            counted[session.domain, default: Usage()].transactions += session.transactions.count
            counted[session.domain, default: Usage()].memory +=
                watches.reduce(0) { $0 + $1.memory }
                + session.transactions.values.reduce(0) { $0 + $1.memory + ($1.draft?.pinned ?? 0) }
                + pending.reduce(0) { $0 + ($1.kind == .reply || $1.kind == .rest ? $1.length : 0) }
                + (session.peer.isPrivileged ? 0 : session.inbox.footprint)
            counted[session.domain, default: Usage()].events +=
                pending.reduce(0) { $0 + ($1.kind == .event ? $1.footprint : 0) }
        }
        return Set(counted.keys).union((0..<64).map { DomainID($0) }).compactMap { domain in
            var held = counted[domain] ?? Usage()
            let noted = accounts.ledger[domain]
            held.outstanding = noted.outstanding
            return "\(held)" == "\(noted)" ? nil : "domain \(domain.rawValue) holds \(held), counted were \(noted)"
        }
    }
}
