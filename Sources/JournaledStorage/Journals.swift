// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// The two journals of a store.
///
/// Batches go to the open journal. While the thread folds it, batches go to the other one. So one journal is open for
/// batches, and the other one is empty or holds the batches of the current fold.
struct Journals {
    private var files: [JournalFile]
    /// The index of the journal that gets the next batch.
    private var open: Int
    /// The number of the next batch.
    private(set) var nextSequence: UInt64
    /// The number of the last batch in the table.
    private(set) var folded: UInt64
    /// The number of this store, which differs from that of any other store.
    let store: UInt64
    /// The number of batches that are in no file, and the reason.
    private(set) var unsaved: (count: Int, reason: StorageError)?

    init(_ store: StoreFiles, _ content: StoreContent, syncs: Bool) {
        let identity = content.identity ?? 0
        self.store = identity
        folded = content.folded
        nextSequence = content.lastSequence &+ 1
        var contents: [[UInt8]] = [[], []]
        for pending in content.pending { contents[pending.journal] = pending.content }
        files = zip(store.journals, contents).map {
            JournalFile(
                path: $0, of: store, content: $1, weight: Batch.weight(of: $1, store: identity), syncs: syncs)
        }
        open = content.pending.last?.journal ?? 0
    }

    /// The size of both journals, with whole keys.
    var weight: Int { files[0].weight + files[1].weight }
    /// The size of the open journal, with whole keys.
    var openWeight: Int { files[open].weight }
    /// The batches of the current fold.
    var closed: [UInt8] { files[1 - open].content }
    /// All batches of both journals, in order.
    var all: [UInt8] { closed + files[open].content }
    var isClosedEmpty: Bool { files[1 - open].content.isEmpty }
    var isOpenEmpty: Bool { files[open].content.isEmpty }
    /// Whether the last refused batch lacked room on the disk.
    var lacksRoom: Bool { files[open].lacksRoom }

    /// Opens the files. If a file cannot be opened, the first batch tries again.
    mutating func begin(leaving room: Int) {
        for index in files.indices { try? files[index].restore(leaving: room) }
    }

    // MARK: Batches

    /// Makes sure that the other journal has no batch with the next number. Call this before each batch.
    mutating func forgetRefused() throws(StorageError) { try files[1 - open].forgetRefused() }

    /// Adds the whole sealed batch, or nothing. `room` bytes stay free after it.
    mutating func append(_ batch: Batch, needsSync: Bool, leaving room: Int) throws(StorageError) {
        try files[open].append(batch, needsSync: needsSync, leaving: room)
        nextSequence &+= 1
    }

    /// Keeps a batch in memory only. True if it is the first one.
    mutating func keep(_ batch: Batch, _ reason: StorageError) -> Bool {
        files[open].keep(batch)
        nextSequence &+= 1
        let isFirst = unsaved == nil
        unsaved = ((unsaved?.count ?? 0) + 1, unsaved?.reason ?? reason)
        return isFirst
    }

    /// Writes batches that are only in memory to the files. True if there were some, and all of them are stored now.
    mutating func saveUnsaved() -> Bool {
        if unsaved == nil { return false }
        do throws(StorageError) {
            for index in files.indices where !files[index].content.isEmpty { try files[index].restore(leaving: 0) }
            unsaved = nil
            return true
        } catch {
            unsaved?.reason = error
            return false
        }
    }

    /// Makes sure that the open journal has `room` bytes after its last batch.
    mutating func makeRoom(_ room: Int) throws(StorageError) { try files[open].restore(leaving: room) }

    // MARK: Folds

    /// Begins a fold: batches go to the other journal, unless the last fold is not complete.
    mutating func close() { if isClosedEmpty { open = 1 - open } }

    /// Forgets all batches up to this one, since the table has them.
    mutating func emptyClosed(upTo last: UInt64) {
        folded = last
        files[1 - open].empty()
        if last == nextSequence &- 1 { files[open].empty() }
    }

    // MARK: The files

    /// Writes files again that another program has removed or changed. All their batches are also in memory.
    mutating func look(_ store: StoreFiles, _ log: PluginLog) {
        for index in files.indices {
            guard let problem = files[index].look() else { continue }
            let what = StorageError.happened(problem, to: files[index].path)
            do throws(StorageError) {
                try store.makeFolder()
                try files[index].restore(leaving: 0)
                log.warning("\(what); it has been written again")
            } catch {
                log.error("\(what), and cannot be written again: \(error)")
                let count = Batch.count(in: files[index].content, store: self.store)
                if count > 0 { unsaved = ((unsaved?.count ?? 0) + count, unsaved?.reason ?? error) }
            }
        }
    }

    /// Closes the files. If `removingEmpty`, removes the empty ones.
    mutating func end(removingEmpty: Bool) {
        for index in files.indices {
            files[index].close()
            if removingEmpty, files[index].content.isEmpty { unlink(files[index].path) }
        }
    }
}
