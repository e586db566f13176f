// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// What a dead domain leaves in the store: the nodes that it owns, wherever they are, and its rights on others' nodes.
final class Estates {
    private let store: Store
    private let changes: Changes
    private let scanner: PathScanner

    init(store: Store, changes: Changes, scanner: PathScanner) {
        self.store = store
        self.changes = changes
        self.scanner = scanner
    }

    /// Every domain that some permission list names, except dom0.
    var heirs: [DomainID] { store.permissions.namedDomains }

    /// Removes everything that the domain leaves. The cost depends on what the domain has, not on what others have.
    /// `mustTell`: with the events that RM would cause.
    func remove(_ id: DomainID, mustTell: Bool) {
        removeNodes(of: id, mustTell)
        removeRights(of: id)
    }

    // MARK: Nodes

    /// Removes every subtree whose top the domain owns, in the order of a walk over the tree.
    private func removeNodes(of id: DomainID, _ mustTell: Bool) {
        let owned = store.permissions.lists(naming: id).filter { store.permissions.owner(of: $0) == id }
            .flatMap(store.nodes.nodes(with:))
        for top in TreeOrder(of: store).sorted(owned.filter { isTop($0, of: id) }) { removeSubtree(top, mustTell) }
        // The root and special nodes cannot be removed, so they go to dom0.
        for fixed in owned where isFixed(fixed) { setPermissions(of: fixed) { $0.owned(by: .control) } }
    }

    private func isFixed(_ node: NodeID) -> Bool { !store.parent(of: node).exists }

    /// Whether the domain owns no node between this one and the root.
    private func isTop(_ node: NodeID, of id: DomainID) -> Bool {
        if isFixed(node) { return false }
        var ancestor = store.parent(of: node)
        while ancestor != store.root {
            if store.owner(of: ancestor) == id { return false }
            ancestor = store.parent(of: ancestor)
        }
        return true
    }

    private func removeSubtree(_ top: NodeID, _ mustTell: Bool) {
        var cause = Cause.nobody
        store.path(of: top).withBytes { bytes in
            guard let path = try? scanner.scan(bytes, home: .control) else { return }
            changes.removeSubtree(path, top, mustTell: mustTell, &cause)
        }
    }

    // MARK: Rights

    /// Deletes the domain's entries from all permission lists, also those of special nodes.
    private func removeRights(of id: DomainID) {
        for list in store.permissions.lists(naming: id) {
            for node in store.nodes.nodes(with: list) { setPermissions(of: node) { $0.withoutEntries(for: id) } }
        }
    }

    private func setPermissions(of node: NodeID, _ change: (PermissionList) -> PermissionList) {
        let list = change(store.permissions[store.pointer(node).pointee.permissions])
        store.setPermissions(of: node, to: store.permissions.retain(list))
    }
}

/// The order of a walk over the whole tree: each node before its children, and the children in the order of their
/// creation.
private struct TreeOrder {
    private let store: Store

    init(of store: Store) { self.store = store }

    /// The generations at which a node's ancestors and the node itself were created, from the root down. They order
    /// nodes as the walk does. Nodes with the same parent share one list.
    private struct Place {
        let parent: NodeID
        let ancestors: [UInt64]
        let created: UInt64

        static func < (a: Place, b: Place) -> Bool {
            if a.parent == b.parent { return a.created < b.created }
            return (a.ancestors + CollectionOfOne(a.created)).lexicographicallyPrecedes(
                b.ancestors + CollectionOfOne(b.created))
        }
    }

    func sorted(_ nodes: [NodeID]) -> [NodeID] {
        if nodes.count < 2 { return nodes }
        var known: [NodeID: [UInt64]] = [:]
        let places = nodes.map { node in
            let parent = store.parent(of: node)
            let ancestors = known[parent] ?? created(from: parent)
            known[parent] = ancestors
            return (node, Place(parent: parent, ancestors: ancestors, created: store.pointer(node).pointee.created))
        }
        return places.sorted { $0.1 < $1.1 }.map(\.0)
    }

    private func created(from node: NodeID) -> [UInt64] {
        var created: [UInt64] = []
        var node = node
        while node.exists, node != store.root {
            created.append(store.pointer(node).pointee.created)
            node = store.parent(of: node)
        }
        return created.reversed()
    }
}

extension PermissionList {
    /// The list without the domain's entries, except the first, which names the owner.
    fileprivate func withoutEntries(for id: DomainID) -> PermissionList {
        PermissionList(entries.prefix(1) + entries.dropFirst().filter { $0.domain != id })
    }
}
