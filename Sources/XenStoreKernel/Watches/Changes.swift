// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Changes of the store, with the events that they cause.
final class Changes {
    private let store: Store
    private let watches: Watches
    private let events: Events
    private let schedule: Schedule
    /// Whether each change becomes a record of storage, which is also work.
    private let areStored: Bool
    /// The watches that fire on the current change. Kept for its capacity.
    private var found: [Watch] = []

    init(store: Store, watches: Watches, events: Events, schedule: Schedule, areStored: Bool) {
        self.store = store
        self.watches = watches
        self.events = events
        self.schedule = schedule
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
        var isAffordable = true
        store.forEachPostorder(from: top) { id in
            if let replay = cause.replay, isAffordable { isAffordable = replay.spendRemoval() }
            if !isAffordable { return }
            schedule.spend(Work.change)
            let node = store.pointer(id).pointee
            if areStored { schedule.spend(Int(node.pathLength) >> Work.recordShift) }
            guard mustTell && (id == top || watches.contains(hash: node.hash)) else { return store.removeLeaf(id) }
            let bytes = id == top ? [] : store.path(of: id)
            let notice = ChangeNotice(ofRemoval: id, isExact: id != top, in: store)
            // The list must outlive the node, because it says which clients may know.
            store.permissions.retain(node.permissions)
            store.removeLeaf(id)
            if id == top { announce(path, notice, &cause) } else { announceExact(bytes, node.hash, notice, &cause) }
            store.permissions.release(node.permissions)
        }
        return isAffordable
    }

    /// Sends the event of a node that goes away with an ancestor: only to watches on exactly this node.
    private func announceExact(_ path: [UInt8], _ hash: UInt64, _ notice: ChangeNotice, _ cause: inout Cause) {
        schedule.spend(path.count >> Work.longPathShift)
        path.withUnsafeBytes { bytes in
            if let replay = cause.replay { return replay.add(bytes, hash: hash, isExact: true) }
            watches.find(exactly: bytes, hash: hash, notice, into: &found)
            events.send(bytes, to: found, &cause)
        }
    }
}
