// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// What a domain leaves in the store when it dies: nodes that it owns, wherever they are, and rights that it was given
/// on those of others.
final class Estates {
    private let store: Store
    private let changes: Changes
    private let ledger: Ledger
    private let scanner: PathScanner

    init(store: Store, changes: Changes, ledger: Ledger, scanner: PathScanner) {
        self.store = store
        self.changes = changes
        self.ledger = ledger
        self.scanner = scanner
    }

    /// Every domain that some list of permissions names.
    var heirs: [DomainID] { store.permissions.domains }

    /// Removes all that the domain leaves. `mustTell`: with the events that RM would cause.
    func remove(_ id: DomainID, mustTell: Bool) {
        removeNodes(of: id, mustTell)
        removeRights(of: id)
    }

    /// Removes every subtree whose top the domain owns: one walk, which ends when there is nothing left to be found.
    private func removeNodes(of id: DomainID, _ mustTell: Bool) {
        let walk = PreorderWalk(of: store)
        var node = store.root
        while node.exists, ledger[id].nodes > 0 {
            if store.owner(of: node) == id, node != store.root {
                let next = walk.nextBehind(node)
                removeSubtree(node, mustTell)
                node = next
            } else {
                node = walk.next(after: node)
            }
        }
        // What cannot be removed goes to dom0.
        for fixed in [store.root] + store.specials where store.owner(of: fixed) == id {
            setPermissions(of: fixed) { $0.owned(by: .control) }
        }
    }

    private func removeSubtree(_ top: NodeID, _ mustTell: Bool) {
        var cause = Cause.nobody
        store.path(of: top).withBytes { bytes in
            guard let path = try? scanner.scan(bytes, home: .control) else { return }
            changes.removeSubtree(path, top, mustTell: mustTell, &cause)
        }
    }

    /// Deletes the domain's entries from all permission lists, special nodes' as well.
    private func removeRights(of id: DomainID) {
        guard store.permissions.contains(entryFor: id) else { return }
        for node in nodesWithEntry(for: id) { setPermissions(of: node) { $0.withoutEntries(for: id) } }
    }

    private func setPermissions(of node: NodeID, _ change: (PermissionList) -> PermissionList) {
        let list = change(store.permissions[store.pointer(node).pointee.permissions])
        store.setPermissions(of: node, to: store.permissions.retain(list))
    }

    /// Every node whose list has an entry for the domain behind the owner's.
    private func nodesWithEntry(for id: DomainID) -> [NodeID] {
        var found: [NodeID] = []
        var lists: [PermissionsID: Bool] = [:]
        func visit(_ node: NodeID) {
            let list = store.pointer(node).pointee.permissions
            let names = lists[list] ?? store.permissions[list].hasEntry(for: id)
            lists[list] = names
            if names { found.append(node) }
        }
        let walk = PreorderWalk(of: store)
        var node = store.root
        while node.exists {
            visit(node)
            node = walk.next(after: node)
        }
        store.specials.forEach(visit)
        return found
    }
}

/// A walk over the whole tree, each node before its children.
private struct PreorderWalk {
    private let store: Store

    init(of store: Store) { self.store = store }

    func next(after id: NodeID) -> NodeID {
        let child = store.firstChild(of: id)
        return child.exists ? child : nextBehind(id)
    }

    /// The next node that is not below `id`.
    func nextBehind(_ id: NodeID) -> NodeID {
        var node = id
        while node.exists, node != store.root {
            let sibling = store.nextSibling(of: node)
            if sibling.exists { return sibling }
            node = store.parent(of: node)
        }
        return .none
    }
}

extension Store {
    fileprivate var specials: [NodeID] { Store.specialNames.map { nodes.find(special: $0) }.filter(\.exists) }
}

extension PermissionList {
    /// Whether an entry behind the owner's names the domain.
    fileprivate func hasEntry(for id: DomainID) -> Bool { entries.dropFirst().contains { $0.domain == id } }

    fileprivate func withoutEntries(for id: DomainID) -> PermissionList {
        PermissionList(entries.prefix(1) + entries.dropFirst().filter { $0.domain != id })
    }
}

extension PermissionTable {
    fileprivate func contains(entryFor id: DomainID) -> Bool {
        var isFound = false
        forEach { _, list in isFound = isFound || list.hasEntry(for: id) }
        return isFound
    }

    /// Every domain that some list names.
    fileprivate var domains: [DomainID] {
        var found: Set<DomainID> = []
        forEach { _, list in found.formUnion(list.entries.map(\.domain)) }
        return found.sorted()
    }
}
