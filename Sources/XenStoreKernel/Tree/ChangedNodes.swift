// SPDX-License-Identifier: Apache-2.0

/// The nodes that a turn has changed. One object serves all turns, so that a turn allocates nothing.
final class ChangedNodes {
    /// The numbers of the nodes that were made or changed, in order.
    private(set) var stored: [UInt32] = []
    /// The nodes that are gone. A node that was made again under the same path is only stored.
    private(set) var removed: [NodeID] = []

    /// The number of nodes for which the lists keep room.
    private static let spareMax = 1024

    /// Finds the nodes that have changed since the snapshot.
    func find(since snapshot: UInt64, in store: Store) {
        clear()
        // By index: each turn runs this loop, and a copy of a snapshot would retain and release three lists.
        for index in store.history.snapshots.open.indices
        where store.history.snapshots.open[index].generation >= snapshot {
            for id in store.history.snapshots.open[index].created
            where store.pointer(id).pointee.created > snapshot && store.isInTree(id) {
                stored.append(id.number)
            }
            for kept in store.history.snapshots.open[index].kept {
                switch kept {
                case .version(let id, _): if store.isInTree(id) { stored.append(id.number) }
                case .node(let id): if store.pointer(id).pointee.existed(at: snapshot) { removed.append(id) }
                }
            }
        }
        if stored.count > 1 { dropRepeated() }
        if !removed.isEmpty { dropMadeAgain(in: store) }
    }

    private func clear() {
        // One node is usual, and this is much cheaper.
        if stored.count == 1 {
            stored.removeLast()
        } else if !stored.isEmpty {
            stored.removeAll(keepingCapacity: stored.capacity <= ChangedNodes.spareMax)
        }
        if !removed.isEmpty { removed.removeAll(keepingCapacity: removed.capacity <= ChangedNodes.spareMax) }
    }

    /// Sorts the numbers, and drops repeated ones. Most turns change few nodes, for which a set would cost more.
    private func dropRepeated() {
        stored.sort()
        var last = 0
        for number in stored.dropFirst() where number != stored[last] {
            last += 1
            stored[last] = number
        }
        stored.removeSubrange((last + 1)...)
    }

    private func dropMadeAgain(in store: Store) {
        let hashes = Set(stored.map { store.pointer(NodeID(number: $0)).pointee.hash })
        removed.removeAll { hashes.contains(store.pointer($0).pointee.hash) }
    }
}

extension Store {
    /// Whether the node is in the store now: its record is in use, and not only by a snapshot or a draft.
    fileprivate func isInTree(_ id: NodeID) -> Bool {
        let node = pointer(id)
        if !node.pointee.isLive || node.pointee.created == 0 || node.pointee.created == Node.unborn { return false }
        return history.detachedCount == 0 || !nodes.isDetached(id)
    }
}
