// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin
import XenStoreWire

/// The whole content of a store: the records of its table, changed by its journals. A table hands its records to it.
public final class StoreContent {
    private let arena = Arena()
    private var index: [Bytes: Int] = [:]
    private(set) var records: [(key: Bytes, data: UnsafeRawBufferPointer?)] = []
    private(set) var isInterrupted = false
    /// Whether the table holds something that does not count. Then it must be written again.
    private(set) var isAltered = false
    private(set) var tableSize = 0
    /// The batches that are not in the table, oldest first, each with its journal.
    private(set) var pending: [(journal: Int, content: [UInt8], sequences: ClosedRange<UInt64>)] = []

    init() {}

    /// Reads a store and changes nothing. A daemon may use the store meanwhile.
    init<Table: JournaledTable>(_ files: StoreFiles, of kind: Table.Type) throws(TableProblem) {
        if let stranger = files.stranger() { throw .stranger(stranger) }
        try Table.read(files, into: self)
        do throws(StorageError) { try addJournals(files) } catch { throw .unreadable(error) }
        guard pending.first.map({ $0.sequences.lowerBound == folded &+ 1 }) ?? true,
            pending.count < 2 || pending[1].sequences.lowerBound == pending[0].sequences.upperBound &+ 1
        else { throw .damaged("its journals do not continue what is in it") }
    }

    /// Reads everything that can be saved from a damaged store.
    init<Table: JournaledTable>(salvaging files: StoreFiles, of kind: Table.Type) throws(StorageError) {
        try Table.salvage(files, into: self)
        try addJournals(files)
    }

    // MARK: For tables

    /// Makes room for the records of a table of this size. Without this the index would be copied at each step of its
    /// growth.
    public func reserve(recordsOf bytes: Int) {
        let count = min(bytes / Self.usualRecord, Self.reservedMax)
        index.reserveCapacity(count)
        records.reserveCapacity(count)
    }

    /// Adds a record. A later record with the same key replaces it.
    public func add(_ key: Bytes, _ data: UnsafeRawBufferPointer) { set(key, data) }

    /// Adds a record of a damaged table. The table may also hold older records of a node, so the newest one counts.
    public func addNewest(_ key: Bytes, _ data: UnsafeRawBufferPointer) {
        if key.isNode, let old = self[key].flatMap(StoredNode.init), let new = StoredNode(data),
            new.generation <= old.generation
        {
            return
        }
        set(key, data)
    }

    /// Forgets all records, since the table will be read once more.
    public func startOver() {
        records = []
        index = [:]
    }

    /// Describes the table: its size, whether a daemon died while it changed the table, and whether the file holds
    /// something that does not count and must be written again.
    public func describe(size: Int, isInterrupted: Bool = false, isAltered: Bool = false) {
        (tableSize, self.isInterrupted, self.isAltered) = (size, isInterrupted, isAltered)
    }

    /// Adds the batches of this store's journals that are not in the table.
    func addJournals(_ files: StoreFiles) throws(StorageError) {
        guard let store = identity else { return }
        for (number, path) in files.journals.enumerated() {
            guard let journal = try WholeFile.read(path) else { continue }
            let found = journal.withUnsafeBytes { Batch.all(in: $0, store: store) }
            guard let first = found.first, let last = found.last, last.sequence > folded else { continue }
            let content = Array(journal.prefix(last.range.upperBound))
            pending.append((number, content, max(first.sequence, folded &+ 1)...last.sequence))
        }
        pending.sort { $0.sequences.lowerBound < $1.sequences.lowerBound }
        for journal in pending {
            journal.content.withBytes { content in
                Batch.withOutcome(of: content, after: folded) {
                    remove($0.subtrees)
                    for (key, data) in $0.records { set(key, data) }
                }
            }
        }
    }

    private func remove(_ subtrees: RemovedSubtrees) {
        if subtrees.isEmpty { return }
        for position in records.indices where subtrees.contains(records[position].key) { records[position].data = nil }
    }

    // MARK: Records

    subscript(key: Bytes) -> UnsafeRawBufferPointer? { index[key].flatMap { records[$0].data } }

    func position(of key: Bytes) -> Int? {
        guard let position = index[key], records[position].data != nil else { return nil }
        return position
    }

    /// Copies a record, or removes it.
    func set(_ key: Bytes, _ data: UnsafeRawBufferPointer?) {
        guard let data = data.map(arena.copy) else {
            if let position = index[key] { records[position].data = nil }
            return
        }
        // Look the key up only once. In a large store a look-up costs as much as everything else for a record.
        let key = Bytes(arena.copy(key.raw))
        let next = records.count
        let position = place(of: key, or: next)
        if position == next { records.append((key, data)) } else { records[position].data = data }
    }

    private func place(of key: Bytes, or next: Int) -> Int {
        func look(_ place: inout Int) -> Int { place }
        return look(&index[key, default: next])
    }

    /// The size of a small node in the table, including the room that a table leaves free.
    private static let usualRecord = 200
    private static let reservedMax = 1 << 21

    private func text(_ key: [UInt8]) -> String? {
        key.withBytes { self[Bytes($0)] }.map { String(decoding: $0, as: UTF8.self) }
    }

    var format: String? { text(RecordKey.format) }
    var boot: String? { text(RecordKey.boot) }
    var identity: UInt64? { text(RecordKey.store).flatMap { UInt64($0) } }
    var folded: UInt64 { text(RecordKey.folded).flatMap { UInt64($0) } ?? 0 }
    /// The number of the last batch.
    var lastSequence: UInt64 { pending.last?.sequences.upperBound ?? folded }

    /// The problem with the store's own records; nil if there is none.
    var foreignness: TableProblem? {
        guard let format else { return .foreign("it has no record of sxenstored's own") }
        guard format == RecordKey.currentFormat else {
            return .foreign("its layout \(format) is unknown to this version")
        }
        return identity == nil || boot == nil ? .damaged("records of its own are missing") : nil
    }
}
