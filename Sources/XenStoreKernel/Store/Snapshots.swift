// SPDX-License-Identifier: Apache-2.0

/// The moments that somebody may still look back at, oldest first, and what is kept for each.
///
/// Whatever is replaced or removed while snapshots are open is kept with the newest snapshot that
/// shows it. When that one closes, what an older snapshot still shows goes to that, and the rest is
/// freed: memory is bounded by what open snapshots show, however they overlap.
struct Snapshots {
    /// Something kept for a snapshot.
    enum Kept {
        /// A removed node.
        case node(NodeID)
        /// An older version of a node: the one that was replaced at `until`.
        case version(NodeID, until: UInt64)
    }

    struct Snapshot {
        var generation: UInt64
        /// How many opened it.
        var users: Int
        /// How many of those may go back to it; for them the store notes what is created.
        var undoers: Int
        var kept: [Kept] = []
        var created: [NodeID] = []
    }

    private(set) var open: [Snapshot] = []

    var isEmpty: Bool { open.isEmpty }
    /// The newest moment anybody looks back at; nothing that is younger need be kept.
    private(set) var newest: UInt64 = 0
    private(set) var notesCreations = false

    /// Opens a snapshot at `generation`, which must be the current one.
    mutating func open(at generation: UInt64, undoable: Bool) {
        if let last = open.indices.last, open[last].generation == generation {
            open[last].users += 1
            open[last].undoers += undoable ? 1 : 0
        } else {
            open.append(Snapshot(generation: generation, users: 1, undoers: undoable ? 1 : 0))
        }
        summarize()
    }

    /// Notes that something which was there at `since` has just been replaced or removed.
    mutating func keep(_ kept: Kept) {
        open[open.count - 1].kept.append(kept)
    }

    mutating func noteCreation(of node: NodeID) {
        open[open.count - 1].created.append(node)
    }

    /// One user less of the snapshot at `generation`. If it was the last, returns what was kept.
    mutating func close(_ generation: UInt64, undoable: Bool) -> (snapshot: Snapshot, older: Int?)? {
        guard let index = index(of: generation) else { return nil }
        open[index].users -= 1
        open[index].undoers -= undoable ? 1 : 0
        // What was created since is, for an older snapshot to undo, created since that one, too.
        let isNoted = open[..<index].contains { $0.undoers > 0 }
        if open[index].users > 0 {
            if open[index].undoers == 0, !isNoted { open[index].created = [] }
            summarize()
            return nil
        }
        let snapshot = open.remove(at: index)
        summarize()
        if isNoted { open[index - 1].created += snapshot.created }
        return (snapshot, index > 0 ? index - 1 : nil)
    }

    /// Hands something that was kept for a younger snapshot to the one at `index`.
    mutating func hand(_ kept: Kept, to index: Int) {
        open[index].kept.append(kept)
    }

    /// The newest open snapshot not younger than position `limit` that shows what existed from
    /// `from` until before `until`.
    func showing(from: UInt64, until: UInt64, upTo limit: Int) -> Int? {
        var index = limit
        while index >= 0 {
            let generation = open[index].generation
            if generation < from { return nil }
            if generation < until { return index }
            index -= 1
        }
        return nil
    }

    /// Takes out what was kept and created since the newest snapshot, for undoing it.
    mutating func takeNewest() -> (kept: [Kept], created: [NodeID]) {
        let last = open.count - 1
        let taken = (open[last].kept, open[last].created)
        open[last].kept = []
        open[last].created = []
        return taken
    }

    private func index(of generation: UInt64) -> Int? {
        open.firstIndex { $0.generation == generation }
    }

    private mutating func summarize() {
        newest = open.last?.generation ?? 0
        notesCreations = open.contains { $0.undoers > 0 }
    }
}
