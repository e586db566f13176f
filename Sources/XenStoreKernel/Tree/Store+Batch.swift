// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The changes of a turn, for storage.
extension Store: ChangeSource {
    func forEachChange(since snapshot: UInt64, _ body: (Change) throws(StorageError) -> Void) throws(StorageError) {
        let (stored, removed) = changes(since: snapshot)
        walk.restart()
        for id in removed { try body(.removed(path: walk.path(of: id, in: self))) }
        for number in stored {
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

    /// The nodes that were made or changed since the snapshot, and the nodes that are gone since. A node that was made
    /// again under the same path is only stored.
    private func changes(since snapshot: UInt64) -> (stored: [UInt32], removed: [NodeID]) {
        var stored: [UInt32] = []
        var removed: [NodeID] = []
        // By index: each turn runs this loop, and a copy of a snapshot would retain and release three lists.
        for index in history.snapshots.open.indices where history.snapshots.open[index].generation >= snapshot {
            for id in history.snapshots.open[index].created where pointer(id).pointee.created > snapshot && isInTree(id)
            {
                stored.append(id.number)
            }
            for kept in history.snapshots.open[index].kept {
                switch kept {
                case .version(let id, _): if isInTree(id) { stored.append(id.number) }
                case .node(let id): if pointer(id).pointee.existed(at: snapshot) { removed.append(id) }
                }
            }
        }
        dropRepeated(&stored)
        if !removed.isEmpty {
            let hashes = Set(stored.map { pointer(NodeID(number: $0)).pointee.hash })
            removed.removeAll { hashes.contains(pointer($0).pointee.hash) }
        }
        return (stored, removed)
    }

    /// Sorts the numbers, and drops repeated ones. Most turns change few nodes, for which a set would cost more.
    private func dropRepeated(_ numbers: inout [UInt32]) {
        if numbers.count < 2 { return }
        numbers.sort()
        var last = 0
        for number in numbers.dropFirst() where number != numbers[last] {
            last += 1
            numbers[last] = number
        }
        numbers.removeSubrange((last + 1)...)
    }

    private func isInTree(_ id: NodeID) -> Bool {
        let node = pointer(id).pointee
        return node.isLive && node.created != 0 && node.created != Node.unborn
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
