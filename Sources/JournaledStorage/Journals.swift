// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// The two journals of a store.
///
/// Batches are added to one journal until that one is folded; meanwhile batches go to the other. So one is open for
/// batches, and the other holds what is being folded, or nothing.
struct Journals {
    private var files: [JournalFile]
    /// The journal that batches are added to.
    private var open: Int
    /// The number of the next batch.
    private(set) var nextSequence: UInt64
    /// The number of the last batch in the table.
    private(set) var folded: UInt64
    /// What tells the store from others.
    let store: UInt64
    /// Batches that are in no file, and why that is so.
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

    /// Bytes in both, with whole keys.
    var weight: Int { files[0].weight + files[1].weight }
    /// The same of the journal that batches are added to.
    var openWeight: Int { files[open].weight }
    /// What is being folded.
    var closed: [UInt8] { files[1 - open].content }
    /// All that is in them, in order.
    var all: [UInt8] { closed + files[open].content }
    var isClosedEmpty: Bool { files[1 - open].content.isEmpty }
    var isOpenEmpty: Bool { files[open].content.isEmpty }
    /// The last batch that was refused lacked room on the disk.
    var lacksRoom: Bool { files[open].lacksRoom }

    /// Opens the files. A file that cannot be opened is tried again with the first batch.
    mutating func begin(leaving room: Int) {
        for index in files.indices { try? files[index].restore(leaving: room) }
    }

    // MARK: Batches

    /// Makes sure that the number of the next batch is not in the other journal. To be called before each batch.
    mutating func forgetRefused() throws(StorageError) { try files[1 - open].forgetRefused() }

    /// Adds a batch that was sealed, all of it or nothing. `room` bytes stay free after it.
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

    /// Writes to the files what is in memory only. True if there was something, and all of it is safe now.
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

    /// Sees to it that there is so much room after the last batch.
    mutating func makeRoom(_ room: Int) throws(StorageError) { try files[open].restore(leaving: room) }

    // MARK: Folds

    /// Begins to fold: batches go to the other journal, unless that one has not been folded yet.
    mutating func close() { if isClosedEmpty { open = 1 - open } }

    /// All up to this batch is in the table.
    mutating func emptyClosed(upTo last: UInt64) {
        folded = last
        files[1 - open].empty()
        if last == nextSequence &- 1 { files[open].empty() }
    }

    // MARK: The files

    /// Writes files again that somebody else has removed or changed: all that they held is in memory, too.
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

    /// Closes the files, and removes those that hold nothing if that is wanted.
    mutating func end(removingEmpty: Bool) {
        for index in files.indices {
            files[index].close()
            if removingEmpty, files[index].content.isEmpty { unlink(files[index].path) }
        }
    }
}
