// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit

@testable import XenStoreEngine
@testable import XenStoreKernel
@testable import XenStoreWire

typealias Operation = XenStoreWire.Operation

extension House {
    var store: Store { engine.kernel.store }
    /// The number of watches in the index.
    var watchCount: Int { engine.kernel.watches.count }

    func usage(_ domain: UInt16) -> Usage { engine.kernel.accounts.ledger[DomainID(domain)] }

    /// Records an issue for each contradiction in the daemon. `note` says when and where.
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
