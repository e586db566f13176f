// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The generations at which somebody may still look, oldest first, and what is kept for each.
///
/// If something is replaced or removed while snapshots are open, the newest snapshot that shows it keeps it. When that
/// snapshot closes, an older one takes what it still shows, and the rest is freed. So open snapshots bound the memory,
/// even if they overlap.
struct Snapshots {
    /// Something kept for a snapshot.
    enum Kept {
        /// A removed node.
        case node(NodeID)
        /// The older version of a node that was replaced at `until`.
        case version(NodeID, until: UInt64)
    }

    struct Snapshot {
        var generation: UInt64
        /// The number of users that have opened it.
        var users: Int
        /// The number of those users that may go back to it. For them it remembers created nodes.
        var undoers: Int
        /// Those of its users that pay for what is kept.
        var readers: [any SnapshotReader] = []
        var kept: [Kept] = []
        var created: [NodeID] = []
        /// The bytes kept that none of the readers may read.
        var unpaid = 0
    }

    private(set) var open: [Snapshot] = []
    /// The list of a closed snapshot, for its capacity: each turn opens a snapshot.
    private var spare: [Kept] = []

    /// The tops of subtrees that were removed as a whole, each with the undoable snapshot that may bring it back.
    private var detached: [(top: NodeID, generation: UInt64)] = []
    /// The tops of subtrees that nobody may bring back any more.
    private var released: [NodeID] = []

    var isEmpty: Bool { open.isEmpty }
    /// The newest generation at which anybody looks. Younger content need not be kept.
    private(set) var newest: UInt64 = 0
    private var undoers = 0
    var keepsCreations: Bool { undoers > 0 }
    /// The bytes kept in readers' snapshots for which the readers do not pay.
    private(set) var unpaid = 0

    /// Opens a snapshot at `generation`, which must be the current one.
    mutating func open(at generation: UInt64, undoable: Bool, reader: (any SnapshotReader)?) {
        if open.last?.generation != generation {
            open.append(Snapshot(generation: generation, users: 0, undoers: 0, kept: spare))
            spare = []
        }
        let last = open.count - 1
        open[last].users += 1
        if undoable {
            open[last].undoers += 1
            undoers += 1
        }
        if let reader { open[last].readers.append(reader) }
        newest = generation
    }

    /// Keeps something that existed until now for the newest snapshot. `bytes` and `permissions` say what it costs, and
    /// who may read it.
    mutating func keep(_ kept: Kept, bytes: Int, permissions: @autoclosure () -> PermissionList) {
        keep(kept, at: open.count - 1, bytes: bytes, permissions: permissions())
    }

    /// Keeps something for the snapshot at `index`.
    mutating func keep(_ kept: Kept, at index: Int, bytes: Int, permissions: @autoclosure () -> PermissionList) {
        open[index].kept.append(kept)
        if open[index].readers.isEmpty { return }
        let permissions = permissions()
        var isPaid = false
        for reader in open[index].readers where reader.mayRead(permissions) {
            reader.pin(bytes)
            isPaid = true
        }
        if isPaid { return }
        open[index].unpaid += bytes
        unpaid += bytes
    }

    mutating func addCreation(of node: NodeID) {
        open[open.count - 1].created.append(node)
    }

    /// Keeps a subtree that was removed as a whole for the newest snapshot that may have to bring it back. Returns false
    /// if there is none.
    mutating func keep(detached top: NodeID) -> Bool {
        if undoers == 0 { return false }
        guard let newest = open.last(where: { $0.undoers > 0 }) else { return false }
        detached.append((top, newest.generation))
        return true
    }

    /// The tops of subtrees that were removed as a whole since a generation, and that an undo may bring back.
    func detached(since generation: UInt64) -> [NodeID] {
        detached.filter { $0.generation >= generation }.map(\.top)
    }

    var hasReleased: Bool { !released.isEmpty }

    /// Takes the tops of subtrees that nobody may bring back any more, in the order of their removal.
    mutating func takeReleased() -> [NodeID] {
        defer { released = [] }
        return released
    }

    /// The last of those who may go back to the snapshot at `index` has left it.
    private mutating func release(detachedOf index: Int) {
        let generation = open[index].generation
        let older = open[..<index].last { $0.undoers > 0 }?.generation
        for at in detached.indices where detached[at].generation == generation {
            if let older { detached[at].generation = older } else { released.append(detached[at].top) }
        }
        if older == nil { detached.removeAll { $0.generation == generation } }
    }

    /// Removes one user of the snapshot at `generation`. After the last one, returns what was kept, and whether an
    /// older snapshot needs it at once, to undo changes.
    mutating func close(_ generation: UInt64, undoable: Bool, reader: (any SnapshotReader)?) -> (
        kept: [Kept], isNeeded: Bool
    )? {
        guard let index = index(of: generation) else { return nil }
        open[index].users -= 1
        if undoable {
            open[index].undoers -= 1
            undoers -= 1
            if !detached.isEmpty, open[index].undoers == 0 { release(detachedOf: index) }
        }
        if let reader { open[index].readers.removeAll { $0 === reader } }
        // The remaining users need not pay, so the rest is nobody's debt.
        if open[index].readers.isEmpty {
            unpaid -= open[index].unpaid
            open[index].unpaid = 0
        }
        // An older undoable snapshot must undo these creations as well.
        let isNeeded = undoers > 0 && open[..<index].contains { $0.undoers > 0 }
        if open[index].users > 0 {
            if open[index].undoers == 0, !isNeeded { open[index].created = [] }
            return nil
        }
        let snapshot = index == open.count - 1 ? open.removeLast() : open.remove(at: index)
        newest = open.last?.generation ?? 0
        if isNeeded { open[index - 1].created += snapshot.created }
        return (snapshot.kept, isNeeded)
    }

    /// Takes the list of a closed snapshot to use it again.
    mutating func giveBack(_ kept: consuming [Kept]) {
        if kept.capacity > Snapshots.spareMax { return }
        // One element is usual, and this is much cheaper.
        if kept.count == 1 { kept.removeLast() } else { kept.removeAll(keepingCapacity: true) }
        spare = kept
    }

    /// A list with more capacity is freed.
    private static let spareMax = 256

    /// The index of the newest open snapshot that shows what existed from `from` until before `until`.
    func showing(from: UInt64, until: UInt64) -> Int? {
        let index = firstIndex(from: until) - 1
        return index >= 0 && open[index].generation >= from ? index : nil
    }

    /// Takes out what was kept, created and detached since the newest snapshot, to undo it.
    mutating func takeNewest() -> (kept: [Kept], created: [NodeID], detached: [NodeID]) {
        let last = open.count - 1
        let taken = (open[last].kept, open[last].created, detached(since: open[last].generation))
        detached.removeLast(taken.2.count)
        open[last].kept = []
        open[last].created = []
        for reader in open[last].readers { reader.release() }
        unpaid -= open[last].unpaid
        open[last].unpaid = 0
        return taken
    }

    /// The reader of the oldest snapshot that has one.
    var oldestReader: (any SnapshotReader)? {
        for snapshot in open {
            if let reader = snapshot.readers.first { return reader }
        }
        return nil
    }

    private func index(of generation: UInt64) -> Int? {
        let index = firstIndex(from: generation)
        return index < open.count && open[index].generation == generation ? index : nil
    }

    /// The index of the first snapshot that is not older than `generation`.
    private func firstIndex(from generation: UInt64) -> Int {
        var low = 0
        var high = open.count
        while low < high {
            let middle = (low + high) / 2
            if open[middle].generation < generation { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// What closed snapshots have left, in the order of their closing.
struct Leftovers {
    private var lists: [[Snapshots.Kept]] = []
    /// The number of entries that were taken from the first list.
    private var taken = 0

    var isEmpty: Bool { lists.isEmpty }

    /// `list` must not be empty.
    mutating func append(_ list: [Snapshots.Kept]) { lists.append(list) }

    mutating func takeFirst() -> Snapshots.Kept? {
        guard let first = lists.first else { return nil }
        let kept = first[taken]
        taken += 1
        if taken == first.count {
            lists.removeFirst()
            taken = 0
        }
        return kept
    }
}
