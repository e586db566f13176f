// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Changes of the store, with the events that they cause.
final class Changes {
    private let store: Store
    private let watches: Watches
    private let events: Events
    private let schedule: Schedule
    private let scanner: PathScanner
    /// Whether each change becomes a record of storage, which is also work.
    private let areStored: Bool
    /// The watches that fire on the current change. Kept for its capacity.
    private var found: [Watch] = []

    init(
        store: Store, watches: Watches, events: Events, schedule: Schedule, scanner: PathScanner, areStored: Bool
    ) {
        self.store = store
        self.watches = watches
        self.events = events
        self.schedule = schedule
        self.scanner = scanner
        self.areStored = areStored
    }

    /// Sends the events of a node that was made or has changed.
    @inline(__always)
    func announceChange(of id: NodeID, _ path: Path, _ cause: inout Cause) {
        if watches.isEmpty { return }
        announce(path, ChangeNotice(ofChange: id, in: store), &cause)
    }

    /// Sends the events of a change now, or with the others of the transaction that is being committed.
    func announce(_ path: Path, _ notice: ChangeNotice, _ cause: inout Cause) {
        if let replay = cause.replay {
            replay.add(path.bytes, hash: path.hash, isExact: notice.isExact)
        } else {
            watches.find(path, notice, into: &found)
            events.send(path.bytes, to: found, &cause)
        }
    }

    /// Removes a node and all nodes below it. First the watches on the nodes below fire, each for exactly its node,
    /// then those on the node itself and further up. Returns false if a transaction that is being committed has not
    /// paid for that much; then some nodes are left, and the caller undoes the rest.
    @discardableResult
    func removeSubtree(_ path: Path, _ top: NodeID, mustTell: Bool = true, _ cause: inout Cause) -> Bool {
        let mustTell = mustTell && !watches.isEmpty
        if cause.replay?.isBounded != true, store.isSubtree(top, largerThan: store.history.slices.smallTree) {
            detach(path, top, mustTell, &cause)
            return true
        }
        var isAffordable = true
        store.forEachPostorder(from: top) { id in
            if let replay = cause.replay, isAffordable { isAffordable = replay.spendRemoval() }
            if !isAffordable { return }
            schedule.spend(Work.change)
            let node = store.pointer(id).pointee
            if areStored { schedule.spend(Int(node.pathLength) >> Work.recordShift) }
            if mustTell, id != top, watches.contains(hash: node.hash) { announceLoss(of: id, &cause) }
            if mustTell, id == top { return announceRemoval(of: id, path, &cause) { store.removeLeaf(id) } }
            store.removeLeaf(id)
        }
        return isAffordable
    }

    /// Removes a large subtree at once. The watches below it are found from the watches, not from the nodes; their
    /// events come in the same order.
    private func detach(_ path: Path, _ top: NodeID, _ mustTell: Bool, _ cause: inout Cause) {
        schedule.spend(store.history.slices.smallTree * Work.change)
        if !mustTell { return store.detach(top) }
        var watched: Set<NodeID> = []
        var ways = WaysToNodes(in: store)
        watches.forEachPath(below: path.bytes) { bytes in
            guard let path = try? scanner.scan(bytes, home: .control) else { return }
            let id = store.find(path)
            if !id.exists { return }
            watched.insert(id)
            ways.add(id)
        }
        for id in ways.postorder(below: top, where: watched.contains) { announceLoss(of: id, &cause) }
        announceRemoval(of: top, path, &cause) { store.detach(top) }
    }

    /// Sends the events of a removal of a node, which `remove` does.
    private func announceRemoval(of id: NodeID, _ path: Path, _ cause: inout Cause, _ remove: () -> Void) {
        let notice = ChangeNotice(ofRemoval: id, isExact: false, in: store)
        // The list must outlive the node, because it says which clients may know.
        let list = store.pointer(id).pointee.permissions
        store.permissions.retain(list)
        remove()
        announce(path, notice, &cause)
        store.permissions.release(list)
    }

    /// Sends the event of a node that goes away with an ancestor: only to watches on exactly this node.
    private func announceLoss(of id: NodeID, _ cause: inout Cause) {
        let notice = ChangeNotice(ofRemoval: id, isExact: true, in: store)
        let (path, hash) = (store.path(of: id), store.pointer(id).pointee.hash)
        schedule.spend(path.count >> Work.longPathShift)
        path.withUnsafeBytes { bytes in
            if let replay = cause.replay { return replay.add(bytes, hash: hash, isExact: true) }
            watches.find(exactly: bytes, hash: hash, notice, into: &found)
            events.send(bytes, to: found, &cause)
        }
    }
}
