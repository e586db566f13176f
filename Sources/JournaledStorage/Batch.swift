// SPDX-License-Identifier: Apache-2.0
import XenStoreKernel

/// One turn's changes as they stand in a journal: a header, then for each change how long the end of its key is
/// and how much of the key before comes in front of that, the record's length (or that it is gone), the end of
/// the key and the record. Paths of 2,000 bytes that differ by a name would be most of a journal otherwise.
struct Batch {
    private(set) var bytes: [UInt8] = []
    /// It takes something away, and so leaves less than there was.
    private(set) var removes = false
    /// The key of the change that was added last.
    private var key: [UInt8] = []
    /// Bytes of keys that are left out, since the keys before have them.
    private var shared = 0

    /// Bytes of the batch with whole keys: what a fold has to hold and a table has to take. Bounds count this, as
    /// a guest can make a few bytes of a journal come to many.
    var weight: Int { bytes.count + shared }
    /// It only notes how far the daemon got with its peers, which says nothing after the next boot.
    private(set) var isOfPeers = false

    static let headerSize = 32
    /// What a batch begins with.
    static let magic = Array("sta2".utf8)
    /// What it began with where keys are whole, with a length of four bytes: an earlier version may have left
    /// such a journal.
    private static let formerMagic = Array("stas".utf8)
    private static let gone = UInt32.max

    /// Takes a turn's changes, in place of what was there.
    mutating func take(_ changes: borrowing ChangeBatch) throws(StorageError) {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: repeatElement(0, count: Self.headerSize))
        key.removeAll(keepingCapacity: true)
        shared = 0
        removes = false
        isOfPeers = changes.endsWithBoot
        try changes.forEach { (change) throws(StorageError) in add(change) }
    }

    private mutating func add(_ change: Change) {
        switch change {
        case .stored(let node):
            let header = begin(key: node.path)
            let start = bytes.count
            StoredNode.append(node, to: &bytes)
            bytes.put(number: UInt32(truncatingIfNeeded: bytes.count - start), at: header + 4)
        case .removed(let path):
            removes = true
            begin(key: path)
        case .noted(let key, let value):
            let header = begin(prefix: RecordKey.notePrefix, key: key)
            bytes.append(contentsOf: value)
            bytes.put(number: UInt32(truncatingIfNeeded: value.count), at: header + 4)
        case .forgotten(let key):
            removes = true
            begin(prefix: RecordKey.notePrefix, key: key)
        }
    }

    /// Appends the header of a change and its key, and returns where the header is.
    @discardableResult
    private mutating func begin(prefix: [UInt8] = [], key: UnsafeRawBufferPointer) -> Int {
        let header = bytes.count
        let shared = prefix.isEmpty ? Self.sharedLength(self.key, key) : 0
        self.shared += shared
        self.key.removeSubrange(shared...)
        self.key.append(contentsOf: prefix)
        self.key.append(contentsOf: UnsafeRawBufferPointer(rebasing: key[shared...]))
        bytes.append(number: UInt16(truncatingIfNeeded: self.key.count - shared))
        bytes.append(number: UInt16(truncatingIfNeeded: shared))
        bytes.append(number: Self.gone)
        bytes.append(contentsOf: self.key[shared...])
        return header
    }

    /// How many bytes both begin with.
    private static func sharedLength(_ a: [UInt8], _ b: UnsafeRawBufferPointer) -> Int {
        a.withUnsafeBytes { a in
            let most = min(a.count, b.count)
            var count = 0
            while count + 8 <= most, a.number(at: count) as UInt64 == b.number(at: count) { count += 8 }
            while count < most, a[count] == b[count] { count += 1 }
            return count
        }
    }

    /// Fills in the header. The batch is complete then.
    mutating func seal(sequence: UInt64, store: UInt64) {
        bytes.replaceSubrange(0..<Self.magic.count, with: Self.magic)
        bytes.put(number: UInt32(truncatingIfNeeded: bytes.count - Self.headerSize), at: 4)
        bytes.put(number: sequence, at: 8)
        bytes.put(number: store, at: 16)
        bytes.put(number: bytes.withUnsafeBytes { Self.checksum($0) }, at: 24)
    }

    /// Of everything but itself.
    private static func checksum(_ batch: UnsafeRawBufferPointer) -> UInt64 {
        var sum: UInt64 = 0x9e37_79b9_7f4a_7c15
        func add(_ word: UInt64) {
            let product = (sum ^ word).multipliedFullWidth(by: 0xd6e8_feb8_6659_fd93)
            sum = product.low ^ product.high &+ 0x2545_f491_4f6c_dd1d
        }
        for offset in [0, 8, 16] { add(batch.number(at: offset)) }
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
    /// A batch in a journal, whole and undamaged.
    struct Found {
        var sequence: UInt64
        /// With its header.
        var range: Range<Int>
    }

    /// The batches that a journal of this store begins with. What follows the last one is what a
    /// death in the middle of writing has left, or what is left of older batches.
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

    /// How many there are of this store.
    static func count(in journal: [UInt8], store: UInt64) -> Int {
        journal.withUnsafeBytes { all(in: $0, store: store).count }
    }

    /// Whether the bytes begin as a batch does.
    static func begins(_ bytes: some Sequence<UInt8>) -> Bool {
        bytes.starts(with: magic) || bytes.starts(with: formerMagic)
    }

    private static func whole(in journal: UnsafeRawBufferPointer, at offset: Int, store: UInt64) -> Found? {
        guard journal.count - offset >= headerSize, begins(journal[offset...]),
            journal.number(at: offset + 16) as UInt64 == store
        else { return nil }
        let length = Int(journal.number(at: offset + 4) as UInt32)
        guard journal.count - offset - headerSize >= length else { return nil }
        let range = offset..<offset + headerSize + length
        guard
            journal.number(at: offset + 24) as UInt64 == checksum(UnsafeRawBufferPointer(rebasing: journal[range]))
        else { return nil }
        return Found(sequence: journal.number(at: offset + 8), range: range)
    }

    /// A change as it stands in a batch.
    private struct Entry {
        /// How much of the key before its key begins with.
        var shared: Int
        var keyEnd: Slice<UnsafeRawBufferPointer>
        /// Nil if what the key names is gone.
        var record: UnsafeRawBufferPointer?
    }

    /// Calls `body` with each change of a batch. False if the batch is none after all.
    private static func forEachEntry(in batch: UnsafeRawBufferPointer, _ body: (Entry) -> Void) -> Bool {
        var offset = headerSize
        var keyLength = 0
        let hasWholeKeys = batch.starts(with: formerMagic)
        while offset < batch.count {
            guard batch.count - offset >= 8 else { return false }
            let length = Int(batch.number(at: offset) as UInt16)
            // The upper half of a whole key's length is 0: no key is so long.
            let shared = hasWholeKeys ? 0 : Int(batch.number(at: offset + 2) as UInt16)
            let recordLength: UInt32 = batch.number(at: offset + 4)
            let isGone = recordLength == gone
            let start = offset + 8 + length
            let end = start + (isGone ? 0 : Int(recordLength))
            guard end <= batch.count, shared <= keyLength else { return false }
            keyLength = shared + length
            body(
                Entry(
                    shared: shared, keyEnd: batch[offset + 8..<start],
                    record: isGone ? nil : UnsafeRawBufferPointer(rebasing: batch[start..<end])))
            offset = end
        }
        return true
    }

    /// The ``weight`` of all the batches in a journal of this store.
    static func weight(of journal: [UInt8], store: UInt64) -> Int {
        var weight = journal.count
        journal.withUnsafeBytes { journal in
            for batch in all(in: journal, store: store) {
                _ = forEachEntry(in: UnsafeRawBufferPointer(rebasing: journal[batch.range])) { weight += $0.shared }
            }
        }
        return weight
    }

    /// Calls `body` with what all the batches of a journal come to: the last word on each key. It is good only
    /// while `body` runs.
    static func withOutcome<Result>(
        of journal: UnsafeRawBufferPointer, store: UInt64, after folded: UInt64,
        _ body: (inout JournalOutcome) -> Result
    ) -> Result {
        let keys = Arena()
        defer { withExtendedLifetime(keys) {} }
        var outcome = JournalOutcome(size: journal.count, last: folded)
        // Growing bit by bit costs as much as all else; repeated writes to one node need less.
        outcome.records.reserveCapacity(min(journal.count / 128, 1 << 16))
        for batch in all(in: journal, store: store) where batch.sequence > folded {
            var key = UnsafeRawBufferPointer(start: nil, count: 0)
            _ = forEachEntry(in: UnsafeRawBufferPointer(rebasing: journal[batch.range])) { entry in
                key = keys.join(key[..<entry.shared], entry.keyEnd)
                outcome.records[Bytes(key)] = .some(entry.record)
                outcome.size += entry.shared
            }
            (outcome.last, outcome.hasBatches) = (batch.sequence, true)
        }
        return body(&outcome)
    }
}

extension JournalOutcome {
    /// Calls `body` when the number of the last batch is among the records: a table keeps it as one of them, also where
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
