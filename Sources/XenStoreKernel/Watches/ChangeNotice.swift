// SPDX-License-Identifier: Apache-2.0

/// Who can see a node at one moment: those who may read it, or its parent, which lists it.
struct Sight {
    var node: PermissionsID
    var parent: PermissionsID?
}

/// A change that watches may be told of.
struct ChangeNotice {
    /// Only watches on the very path: the node went away with an ancestor, whose own notice tells
    /// the watches further up.
    var isExact: Bool
    /// Who could see the node before, and who can see it now; nil where there is no node. A client is told
    /// that could see it at either of the two moments: what was to be seen at one must not be judged by the
    /// permissions of the other.
    var before: Sight?
    var now: Sight?
}

extension ChangeNotice {
    /// Of a node that was made or has changed.
    init(ofChange id: NodeID, in store: Store) {
        self.init(isExact: false, before: nil, now: Sight(of: id, in: store))
    }

    /// Of a node that is about to be removed, with an ancestor if it is `exact`.
    init(ofRemoval id: NodeID, isExact: Bool, in store: Store) {
        self.init(isExact: isExact, before: Sight(of: id, in: store), now: nil)
    }

    /// Who could know of a node at two moments, each with the permissions of that same moment; nil if there was no
    /// node at either.
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
