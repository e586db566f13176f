// SPDX-License-Identifier: Apache-2.0
#if TDB
    import XenStoreKernel

    /// One turn's changes as they stand in a journal: a header, then for each change the key's length,
    /// the record's length (or that it is gone), the key and the record.
    struct Batch {
        private(set) var bytes: [UInt8] = []
        /// It takes something away, and so leaves less than there was.
        private(set) var removes = false
        /// It only notes how far the daemon got with its peers, which says nothing after the next boot.
        private(set) var isOfPeers = false

        static let headerSize = 32
        /// What a batch begins with.
        static let magic = Array("stas".utf8)
        private static let gone = UInt32.max

        /// Takes a turn's changes, in place of what was there.
        mutating func take(_ changes: borrowing ChangeBatch) throws(StorageError) {
            bytes.removeAll(keepingCapacity: true)
            bytes.append(contentsOf: repeatElement(0, count: Self.headerSize))
            removes = false
            isOfPeers = changes.endsWithBoot
            try changes.forEach { (change) throws(StorageError) in add(change) }
        }

        private mutating func add(_ change: Change) {
            switch change {
            case .stored(let node):
                let header = begin(key: node.path)
                StoredNode.append(node, to: &bytes)
                bytes.put(
                    number: UInt32(truncatingIfNeeded: bytes.count - header - 8 - node.path.count), at: header + 4)
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
            bytes.append(number: UInt32(truncatingIfNeeded: prefix.count + key.count))
            bytes.append(number: Self.gone)
            bytes.append(contentsOf: prefix)
            bytes.append(contentsOf: key)
            return header
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

        private static func whole(in journal: UnsafeRawBufferPointer, at offset: Int, store: UInt64) -> Found? {
            guard journal.count - offset >= headerSize, journal[offset...].starts(with: magic),
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

        /// Calls `body` with each change of a batch: the key, and the record or nil if it is gone. False
        /// if the batch is none after all.
        static func forEachChange(
            in batch: UnsafeRawBufferPointer, _ body: (Bytes, UnsafeRawBufferPointer?) -> Void
        ) -> Bool {
            var offset = headerSize
            while offset < batch.count {
                guard batch.count - offset >= 8 else { return false }
                let keyLength = Int(batch.number(at: offset) as UInt32)
                let recordLength: UInt32 = batch.number(at: offset + 4)
                let isGone = recordLength == gone
                let end = offset + 8 + keyLength + (isGone ? 0 : Int(recordLength))
                guard end <= batch.count else { return false }
                let key = Bytes(UnsafeRawBufferPointer(rebasing: batch[offset + 8..<offset + 8 + keyLength]))
                body(key, isGone ? nil : UnsafeRawBufferPointer(rebasing: batch[offset + 8 + keyLength..<end]))
                offset = end
            }
            return true
        }

        /// What all the batches of a journal come to: the last word on each key.
        static func outcome(of journal: UnsafeRawBufferPointer, store: UInt64, after folded: UInt64) -> Outcome {
            var outcome = Outcome(last: folded)
            // Growing bit by bit costs as much as all else; repeated writes to one node need less.
            outcome.records.reserveCapacity(min(journal.count / 128, 1 << 16))
            for batch in all(in: journal, store: store) where batch.sequence > folded {
                _ = forEachChange(in: UnsafeRawBufferPointer(rebasing: journal[batch.range])) {
                    outcome.records[$0] = .some($1)
                }
                outcome.last = batch.sequence
            }
            return outcome
        }

        struct Outcome {
            var last: UInt64
            /// The last record of each key; nil if it is gone. They point into the journal.
            var records: [Bytes: UnsafeRawBufferPointer?] = [:]
        }
    }
#endif
