// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The changes of a turn, for storage.
extension Store: ChangeSource {
    func forEachChange(since snapshot: UInt64, _ body: (Change) throws(StorageError) -> Void) throws(StorageError) {
        changed.find(since: snapshot, in: self)
        walk.restart()
        for top in detached(since: snapshot) { try body(.removedSubtree(path: walk.path(of: top, in: self))) }
        for id in changed.removed { try body(.removed(path: walk.path(of: id, in: self))) }
        for number in changed.stored {
            let id = NodeID(number: number)
            let content = content(of: id)
            try body(
                .stored(
                    NodeRecord(
                        path: walk.path(of: id, in: self), value: content.value,
                        permissions: permissions[content.permissions].entries,
                        generation: content.generation, children: childNames(of: id))))
        }
    }

    /// The tops of subtrees that were there at the snapshot and that were removed as a whole since.
    private func detached(since snapshot: UInt64) -> [NodeID] {
        if history.detachedCount == 0 { return [] }
        return history.snapshots.detached(since: snapshot).filter { pointer($0).pointee.existed(at: snapshot) }
    }

    /// The names of a node's children in the order of creation, each followed by a NUL.
    func childNames(of id: NodeID) -> [UInt8] {
        var names: [UInt8] = []
        var child = firstChild(of: id)
        while child.exists {
            names.append(contentsOf: name(of: child))
            names.append(0)
            child = nextSibling(of: child)
        }
        return names
    }
}
