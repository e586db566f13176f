// SPDX-License-Identifier: Apache-2.0

/// The permission lists that say who can see a node at one generation: its own, and its parent's, whose reader sees the
/// node in the list of children.
struct Sight {
    var node: PermissionsID
    var parent: PermissionsID?
}

/// A change that may fire watches.
struct ChangeNotice {
    /// Only watches on exactly this path fire: the node went away with an ancestor, and the ancestor's own notice fires
    /// the watches further up.
    var isExact: Bool
    /// Who could see the node before the change, and who can see it now; nil where there is no node. A client that
    /// could see it at either generation gets the event. The permissions of one generation must not decide about the
    /// other.
    var before: Sight?
    var now: Sight?
}

extension ChangeNotice {
    /// A notice of a node that was made or has changed.
    init(ofChange id: NodeID, in store: Store) {
        self.init(isExact: false, before: nil, now: Sight(of: id, in: store))
    }

    /// A notice of a node just before its removal, with an ancestor if it is `exact`.
    init(ofRemoval id: NodeID, isExact: Bool, in store: Store) {
        self.init(isExact: isExact, before: Sight(of: id, in: store), now: nil)
    }

    /// A notice of a node's change between two generations, each with the permissions of its own; nil if the node
    /// existed at neither.
    init?(of path: Path, isExact: Bool, since before: UInt64, in store: Store) {
        let old = store.nodes.find(path, at: before)
        let new = store.find(path)
        if !old.exists && !new.exists { return nil }
        self.init(
            isExact: isExact,
            before: old.exists
                ? Sight(of: old, in: store) { store.history.content(of: $0, at: before).permissions } : nil,
            now: new.exists ? Sight(of: new, in: store) { store.content(of: $0).permissions } : nil)
    }

    func mayBeKnown(to session: Session, _ accounts: Accounts, _ permissions: PermissionTable) -> Bool {
        if session.isPrivileged { return true }
        func mayRead(_ list: PermissionsID) -> Bool { accounts.mayAccess(permissions[list], .read, session) }
        for case let sight? in [now, before] {
            if mayRead(sight.node) { return true }
            if let parent = sight.parent, mayRead(parent) { return true }
        }
        return false
    }
}

extension Sight {
    fileprivate init(of id: NodeID, in store: Store) {
        let node = store.pointer(id).pointee
        self.init(
            node: node.permissions,
            parent: node.parent.exists ? store.pointer(node.parent).pointee.permissions : nil)
    }

    fileprivate init(of id: NodeID, in store: Store, _ permissions: (NodeID) -> PermissionsID) {
        let parent = store.parent(of: id)
        self.init(node: permissions(id), parent: parent.exists ? permissions(parent) : nil)
    }
}
