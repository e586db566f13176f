// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The changes of one turn in the form that a journal has. A header comes first. Then each change has the length of its
/// key's end, the length that the key shares with the key before, the length of its record (or a mark that the record
/// is removed), the end of the key, and the record. Without shared lengths, long paths that differ only by a name would
/// fill most of a journal.
final class Batch {
    private var buffer = GrowingBuffer()
    /// Whether the batch removes something. After such a batch the store is smaller.
    private(set) var removes = false
    /// Whether the batch removes a subtree as a whole.
    private var removesSubtree = false
    /// The key of the last added change.
    private var key = GrowingBuffer()
    /// The bytes of keys that are left out, since the keys before have them.
    private var shared = 0

    /// All bytes of the batch. They are valid until the batch changes.
    var bytes: UnsafeRawBufferPointer { buffer.bytes }
    /// The size of the batch with whole keys. A fold holds this much, and a table takes this much. All bounds count it,
    /// since a guest can make a few bytes of a journal grow to many.
    var weight: Int { buffer.count + shared }
    /// Whether the batch only holds the daemon's positions in the streams of its peers. They mean nothing after the
    /// next boot.
    private(set) var isOfPeers = false

    static let headerSize = 32
    /// The first bytes of a batch.
    static let magic = Array("sta2".utf8)
    /// The first bytes of a batch that removes subtrees as a whole. An earlier version takes it for the end of the
    /// journal, and never applies a part of it.
    private static let subtreeMagic = Array("sta3".utf8)
    /// The first bytes of a batch with whole keys and lengths of four bytes. An earlier version may have left such a
    /// journal.
    private static let formerMagic = Array("stas".utf8)
    private static let entryHeaderSize = 8
    /// Marks in place of a record's length: the record is removed; it is removed with all nodes below it.
    private static let gone = UInt32.max
    private static let subtreeGone = UInt32.max - 1

    /// A copy of the batch, which does not change with it.
    func copy() -> Batch {
        let copy = Batch()
        copy.buffer.append(bytes)
        (copy.removes, copy.removesSubtree, copy.shared, copy.isOfPeers) = (removes, removesSubtree, shared, isOfPeers)
        return copy
    }

    /// Takes the changes of a turn. Forgets the changes before.
    func take(_ changes: borrowing ChangeBatch) throws(StorageError) {
        buffer.truncate(to: 0)
        // `seal` fills in the header.
        _ = buffer.extend(by: Self.headerSize)
        key.truncate(to: 0)
        shared = 0
        (removes, removesSubtree) = (false, false)
        isOfPeers = changes.endsWithBoot
        try changes.forEach { (change) throws(StorageError) in add(change) }
    }

    private func add(_ change: Change) {
        switch change {
        case .stored(let node):
            StoredNode.write(node, to: begin(key: node.path, record: StoredNode.size(of: node)))
        case .removed(let path):
            removes = true
            begin(key: path)
        case .removedSubtree(let path):
            (removes, removesSubtree) = (true, true)
            begin(key: path, mark: Self.subtreeGone)
        case .noted(let key, let value):
            begin(prefix: RecordKey.notePrefix, key: key, record: value.count).copyMemory(from: value)
        case .forgotten(let key):
            removes = true
            begin(prefix: RecordKey.notePrefix, key: key)
        }
    }

    /// Appends a change with the key of a note. Returns the place for its record of this size.
    @discardableResult
    private func begin(
        prefix: [UInt8], key end: UnsafeRawBufferPointer, record length: Int? = nil
    ) -> UnsafeMutableRawBufferPointer {
        key.truncate(to: 0)
        prefix.withUnsafeBytes { key.append($0) }
        key.append(end)
        return begin(sharing: 0, record: length, mark: Self.gone)
    }

    /// Appends a change with the key of a node. Returns the place for its record of this size.
    @discardableResult
    private func begin(
        key path: UnsafeRawBufferPointer, record length: Int? = nil, mark: UInt32 = gone
    ) -> UnsafeMutableRawBufferPointer {
        let shared = Self.sharedLength(key.bytes, path)
        key.truncate(to: shared)
        key.append(UnsafeRawBufferPointer(rebasing: path[shared...]))
        return begin(sharing: shared, record: length, mark: mark)
    }

    private func begin(sharing shared: Int, record length: Int?, mark: UInt32) -> UnsafeMutableRawBufferPointer {
        self.shared += shared
        let keyEnd = UnsafeRawBufferPointer(rebasing: key.bytes[shared...])
        let place = buffer.extend(by: Self.entryHeaderSize + keyEnd.count + (length ?? 0))
        place.put(number: UInt16(truncatingIfNeeded: keyEnd.count), at: 0)
        place.put(number: UInt16(truncatingIfNeeded: shared), at: 2)
        place.put(number: length.map { UInt32(truncatingIfNeeded: $0) } ?? mark, at: 4)
        return UnsafeMutableRawBufferPointer(rebasing: place[place.put(keyEnd, at: Self.entryHeaderSize)...])
    }

    /// The number of bytes that both begin with.
    private static func sharedLength(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        let most = min(a.count, b.count)
        var count = 0
        while count + 8 <= most, a.number(at: count) as UInt64 == b.number(at: count) { count += 8 }
        while count < most, a[count] == b[count] { count += 1 }
        return count
    }

    /// Fills in the header. After that the batch is complete.
    func seal(sequence: UInt64, store: UInt64) {
        let header = buffer.mutableBytes
        if removesSubtree {
            header.put(number: Self.subtreeMagic.number(at: 0) as UInt32, at: 0)
        } else {
            header.put(number: Self.magic.number(at: 0) as UInt32, at: 0)
        }
        header.put(number: UInt32(truncatingIfNeeded: buffer.count - Self.headerSize), at: 4)
        header.put(number: sequence, at: 8)
        header.put(number: store, at: 16)
        header.put(number: Self.checksum(bytes), at: 24)
    }

    /// The checksum of the batch without the checksum itself.
    private static func checksum(_ batch: UnsafeRawBufferPointer) -> UInt64 {
        var sum: UInt64 = 0x9e37_79b9_7f4a_7c15
        func add(_ word: UInt64) {
            let product = (sum ^ word).multipliedFullWidth(by: 0xd6e8_feb8_6659_fd93)
            sum = product.low ^ product.high &+ 0x2545_f491_4f6c_dd1d
        }
        add(batch.number(at: 0))
        add(batch.number(at: 8))
        add(batch.number(at: 16))
        var offset = headerSize
        while offset + 8 <= batch.count {
            add(batch.number(at: offset))
            offset += 8
        }
        var last: UInt64 = 0
        while offset < batch.count {
            last = last << 8 | UInt64(batch[offset])
            offset += 1
        }
        add(last)
        return sum
    }
}

extension Batch {
    /// A whole and undamaged batch in a journal.
    struct Found {
        var sequence: UInt64
        /// The place of the batch, including its header.
        var range: Range<Int>
    }

    /// The batches of this store at the beginning of a journal. Bytes after the last one come from older batches, or
    /// from a daemon that died while it wrote.
    static func all(in journal: UnsafeRawBufferPointer, store: UInt64) -> [Found] {
        var found: [Found] = []
        var offset = 0
        while let batch = whole(in: journal, at: offset, store: store) {
            if let last = found.last, batch.sequence != last.sequence &+ 1 { break }
            found.append(batch)
            offset = batch.range.upperBound
        }
        return found
    }

    /// The number of batches of this store.
    static func count(in journal: [UInt8], store: UInt64) -> Int {
        journal.withUnsafeBytes { all(in: $0, store: store).count }
    }

    /// Whether the bytes begin like a batch.
    static func begins(_ bytes: some Sequence<UInt8>) -> Bool {
        [magic, subtreeMagic, formerMagic].contains { bytes.starts(with: $0) }
    }

    private static func hasMagic(_ journal: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        let found: UInt32 = journal.number(at: offset)
        return found == magic.number(at: 0) || found == subtreeMagic.number(at: 0) || found == formerMagic.number(at: 0)
    }

    /// The batch at this offset; nil if the bytes do not begin like one, or end too early.
    private static func next(in journal: UnsafeRawBufferPointer, at offset: Int) -> Found? {
        guard journal.count - offset >= headerSize, hasMagic(journal, at: offset) else { return nil }
        let length = Int(journal.number(at: offset + 4) as UInt32)
        guard journal.count - offset - headerSize >= length else { return nil }
        return Found(sequence: journal.number(at: offset + 8), range: offset..<offset + headerSize + length)
    }

    private static func whole(in journal: UnsafeRawBufferPointer, at offset: Int, store: UInt64) -> Found? {
        guard let batch = next(in: journal, at: offset), journal.number(at: offset + 16) as UInt64 == store,
            journal.number(at: offset + 24) as UInt64
                == checksum(UnsafeRawBufferPointer(rebasing: journal[batch.range]))
        else { return nil }
        return batch
    }

    /// One change of a batch.
    private struct Entry {
        /// The number of bytes that its key shares with the key before.
        var shared: Int
        var keyEnd: Slice<UnsafeRawBufferPointer>
        /// Nil if the change removes the record.
        var record: UnsafeRawBufferPointer?
        /// Whether the change removes all records below the key, too.
        var isSubtree: Bool
    }

    /// Calls `body` with each change of a batch. False if this is not a batch after all.
    private static func forEachEntry(in batch: UnsafeRawBufferPointer, _ body: (Entry) -> Void) -> Bool {
        var offset = headerSize
        var keyLength = 0
        let hasWholeKeys = batch.number(at: 0) as UInt32 == formerMagic.number(at: 0)
        while offset < batch.count {
            guard batch.count - offset >= entryHeaderSize else { return false }
            let length = Int(batch.number(at: offset) as UInt16)
            // The upper half of a whole key's length is 0, since no key is so long.
            let shared = hasWholeKeys ? 0 : Int(batch.number(at: offset + 2) as UInt16)
            let recordLength: UInt32 = batch.number(at: offset + 4)
            let isGone = recordLength == gone || recordLength == subtreeGone
            let start = offset + entryHeaderSize + length
            let end = start + (isGone ? 0 : Int(recordLength))
            guard end <= batch.count, shared <= keyLength else { return false }
            keyLength = shared + length
            body(
                Entry(
                    shared: shared, keyEnd: batch[offset + entryHeaderSize..<start],
                    record: isGone ? nil : UnsafeRawBufferPointer(rebasing: batch[start..<end]),
                    isSubtree: recordLength == subtreeGone))
            offset = end
        }
        return true
    }

    /// The ``weight`` of all batches of this store in a journal.
    static func weight(of journal: [UInt8], store: UInt64) -> Int {
        var weight = journal.count
        journal.withUnsafeBytes { journal in
            for batch in all(in: journal, store: store) {
                _ = forEachEntry(in: UnsafeRawBufferPointer(rebasing: journal[batch.range])) { weight += $0.shared }
            }
        }
        return weight
    }

    /// Calls `body` with the outcome of all batches: the last change of each key. The outcome is valid only while
    /// `body` runs. The journal must hold nothing but batches, from ``all(in:store:)`` or from a daemon that has sealed
    /// them.
    static func withOutcome<Result>(
        of journal: UnsafeRawBufferPointer, after folded: UInt64,
        _ body: (inout JournalOutcome) -> Result
    ) -> Result {
        let keys = Arena()
        defer { withExtendedLifetime(keys) {} }
        var outcome = JournalOutcome(size: journal.count, last: folded)
        // To grow the dictionary step by step costs as much as everything else. Repeated writes of one node need less
        // room.
        outcome.records.reserveCapacity(min(journal.count / 128, 1 << 16))
        var offset = 0
        while let batch = next(in: journal, at: offset) {
            offset = batch.range.upperBound
            if batch.sequence <= folded { continue }
            var key = UnsafeRawBufferPointer(start: nil, count: 0)
            _ = forEachEntry(in: UnsafeRawBufferPointer(rebasing: journal[batch.range])) { entry in
                key =
                    entry.shared == 0
                    ? UnsafeRawBufferPointer(rebasing: entry.keyEnd) : keys.join(key[..<entry.shared], entry.keyEnd)
                if entry.isSubtree { outcome.remove(subtree: Bytes(key)) }
                outcome.records[Bytes(key)] = .some(entry.record)
                outcome.size += entry.shared
            }
            (outcome.last, outcome.hasBatches) = (batch.sequence, true)
        }
        return body(&outcome)
    }
}

extension JournalOutcome {
    /// Removes all nodes below a key, also those that earlier batches have stored.
    fileprivate mutating func remove(subtree top: Bytes) {
        subtrees.insert(top)
        records = records.filter { !$0.key.isBelow(top) }
    }

    /// Calls `body` with the number of the last batch among the records. A table keeps the number as a record, even if
    /// no batch has changed anything. Without a batch there is no number.
    mutating func withNumber(
        _ body: (JournalOutcome) throws(TableFailure) -> Void
    ) throws(TableFailure) {
        if !hasBatches { return try body(self) }
        let number = Array("\(last)".utf8)
        try RecordKey.folded.withBytes { (key) throws(TableFailure) in
            try number.withBytes { (number) throws(TableFailure) in
                records[Bytes(key)] = .some(number)
                defer { records.removeValue(forKey: Bytes(key)) }
                try body(self)
            }
        }
    }
}
