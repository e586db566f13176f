// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Changes of the store as it is now, with the events that they cause.
final class Changes {
    private let store: Store
    private let watches: Watches
    private let events: Events
    private let schedule: Schedule
    /// Whether each change becomes a record of storage, which is work, too.
    private let areStored: Bool
    /// The watches to be told of the change in hand; kept for its capacity.
    private var told: [Watch] = []

    init(store: Store, watches: Watches, events: Events, schedule: Schedule, areStored: Bool) {
        self.store = store
        self.watches = watches
        self.events = events
        self.schedule = schedule
        self.areStored = areStored
    }

    /// Tells of a node that was made or has changed.
    @inline(__always)
    func announceChange(of id: NodeID, _ path: Path, _ cause: inout Cause) {
        if watches.isEmpty { return }
        announce(path, ChangeNotice(ofChange: id, in: store), &cause)
    }

    /// Tells of a change now, or with the others of the transaction that is being committed.
    func announce(_ path: Path, _ notice: ChangeNotice, _ cause: inout Cause) {
        if let replay = cause.replay {
            replay.note(path.bytes, hash: path.hash, isExact: notice.isExact)
        } else {
            watches.find(path, notice, into: &told)
            events.send(path.bytes, to: told, &cause)
        }
    }

    /// Removes a node and all below it. Watches set on what goes away with it are told first, each
    /// of exactly its node, then those on the node itself and further up. False if a transaction that is being
    /// committed has not paid for that much; then some of it is left, to be undone.
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
            // The list must outlive the node: it says who may know.
            store.permissions.retain(node.permissions)
            store.removeLeaf(id)
            if id == top { announce(path, notice, &cause) } else { announceExact(bytes, node.hash, notice, &cause) }
            store.permissions.release(node.permissions)
        }
        return isAffordable
    }

    /// Tells of a node that goes away with an ancestor: only watches on the very node.
    private func announceExact(_ path: [UInt8], _ hash: UInt64, _ notice: ChangeNotice, _ cause: inout Cause) {
        schedule.spend(path.count >> Work.longPathShift)
        path.withUnsafeBytes { bytes in
            if let replay = cause.replay { return replay.note(bytes, hash: hash, isExact: true) }
            watches.find(exactly: bytes, hash: hash, notice, into: &told)
            events.send(bytes, to: told, &cause)
        }
    }
}
