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
        let tops = store.nodes.tops(of: id)
        var ways = WaysToNodes(in: store)
        for node in tops where !isFixed(node) { ways.add(node) }
        for top in ways.firstNodes(where: { store.owner(of: $0) == id }) { removeSubtree(top, mustTell) }
        // The root and special nodes cannot be removed, so they go to dom0.
        for fixed in tops where isFixed(fixed) { setPermissions(of: fixed) { $0.owned(by: .control) } }
    }

    private func isFixed(_ node: NodeID) -> Bool { !store.parent(of: node).exists }

    private func removeSubtree(_ top: NodeID, _ mustTell: Bool) {
        var cause = Cause.nobody
        store.path(of: top).withBytes { bytes in
            guard let path = try? scanner.scan(bytes, home: .control) else { return }
            changes.removeSubtree(path, top, mustTell: mustTell, &cause)
        }
    }

    // MARK: Rights

    /// Deletes the domain's entries from all permission lists, also those of special nodes. Its own nodes are gone.
    private func removeRights(of id: DomainID) {
        for list in store.permissions.lists(naming: id) where store.permissions.owner(of: list) != id {
            for node in store.nodes.nodes(with: list) { setPermissions(of: node) { $0.withoutEntries(for: id) } }
        }
    }

    private func setPermissions(of node: NodeID, _ change: (PermissionList) -> PermissionList) {
        let list = change(store.permissions[store.pointer(node).pointee.permissions])
        store.setPermissions(of: node, to: store.permissions.retain(list))
    }
}

extension PermissionList {
    /// The list without the domain's entries, except the first, which names the owner.
    fileprivate func withoutEntries(for id: DomainID) -> PermissionList {
        PermissionList(entries.prefix(1) + entries.dropFirst().filter { $0.domain != id })
    }
}
