// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import JournaledStorage

    /// Undoes unfinished transactions in the copy of a table.
    ///
    /// libtdb can undo a transaction itself. But it leaves the bytes that the transaction has written past the old end
    /// of the file, and takes them for damage later. Nor does it know files that have grown for a transaction that
    /// never began. A power cut may leave any part of that growth.
    struct Leftovers {
        private let descriptor: Int32
        private(set) var byteCount: Int
        /// Whether there was an unfinished transaction.
        private(set) var isInterrupted = false
        /// Whether the copy differs from the file.
        private(set) var isAltered = false

        private typealias Layout = TableLayout

        init(in descriptor: Int32, _ byteCount: Int) {
            self.descriptor = descriptor
            self.byteCount = byteCount
        }

        mutating func remove(hashSize: Int) throws(TableProblem) {
            try takeBack()
            let end = try endOfRecords(from: Layout.firstRecord(hashSize: hashSize))
            if end < byteCount { try cut(to: end) }
            // The place may be past the end of the file. If there is none, libtdb makes a new one.
            if area + Layout.recordSize > byteCount { try put(0, at: Layout.recoveryOffset) }
        }

        /// Cuts the table to its end before the latest transaction, if that is known.
        mutating func cutToFormerEnd() throws(TableProblem) -> Bool {
            guard area != 0, let end = number(at: area + Layout.keyLengthOffset), end >= Layout.headerSize,
                end < byteCount
            else { return false }
            try cut(to: end)
            if area + Layout.recordSize > byteCount { try put(0, at: Layout.recoveryOffset) }
            return true
        }

        /// The offset at which the latest transaction keeps the replaced bytes; 0 if there is none.
        private var area: Int { number(at: Layout.recoveryOffset) ?? 0 }

        private mutating func takeBack() throws(TableProblem) {
            let area = area
            guard area != 0, number(at: area + Layout.magicOffset) == Int(Layout.recoveryMagic) else { return }
            guard let end = number(at: area + Layout.keyLengthOffset), end <= byteCount,
                let length = number(at: area + Layout.dataLengthOffset),
                let data = read(length, at: area + Layout.recordSize),
                Layout.forEachRecovered(in: data, { $0 + $1.count <= byteCount })
            else { throw .damaged("an interrupted transaction cannot be undone") }
            isInterrupted = true
            var isWritten = true
            _ = Layout.forEachRecovered(in: data) { place, old in
                isWritten = isWritten && old.withUnsafeBytes { WholeFile.write($0, to: descriptor, at: place) }
                return isWritten
            }
            guard isWritten else { throw .unreadable(.system("change", "the copy of the table")) }
            if area < end { try put(0, at: area + Layout.magicOffset) }
            try cut(to: end)
        }

        /// The end of the records that follow each other from `start` on. Bytes after the last record hold nothing:
        /// each valid record is in a chain, and libtdb reports records that a chain misses.
        private func endOfRecords(from start: Int) throws(TableProblem) -> Int {
            guard byteCount > 0 else { return 0 }
            guard let base = mmap(nil, byteCount, PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED else {
                throw .unreadable(.system("map", "the copy of the table"))
            }
            defer { munmap(base, byteCount) }
            let bytes = UnsafeRawBufferPointer(start: base, count: byteCount)
            let area = area
            let magics = [Layout.usedMagic, Layout.freeMagic, Layout.deadMagic]
            func isRecord(_ offset: Int) -> Bool {
                offset + Layout.recordSize <= byteCount
                    && (offset == area || magics.contains(bytes.number(at: offset + Layout.magicOffset)))
            }
            var offset = start
            while offset < byteCount {
                guard isRecord(offset) else {
                    // Skips zeros between records, as libtdb does. They are room that was lost once.
                    let next = bytes[offset...].firstIndex { $0 != 0 } ?? byteCount
                    guard next > offset, isRecord(next) else { return offset }
                    offset = next
                    continue
                }
                let end = offset + Layout.recordSize + Int(bytes.number(at: offset + Layout.roomOffset) as UInt32)
                // The last record may be incomplete.
                if end > byteCount { return offset == area ? offset : byteCount }
                offset = end
            }
            return byteCount
        }

        // MARK: The copy

        private mutating func cut(to end: Int) throws(TableProblem) {
            guard ftruncate(descriptor, off_t(end)) == 0 else {
                throw .unreadable(.system("change", "the copy of the table"))
            }
            isAltered = true
            byteCount = end
        }

        private mutating func put(_ number: UInt32, at offset: Int) throws(TableProblem) {
            isAltered = true
            let isWritten = withUnsafeBytes(of: number.littleEndian) {
                WholeFile.write($0, to: descriptor, at: offset)
            }
            guard isWritten else { throw .unreadable(.system("change", "the copy of the table")) }
        }

        private func read(_ count: Int, at offset: Int) -> [UInt8]? {
            guard count <= byteCount, offset <= byteCount - count else { return nil }
            var bytes = [UInt8](repeating: 0, count: count)
            return pread(descriptor, &bytes, count, off_t(offset)) == count ? bytes : nil
        }

        private func number(at offset: Int) -> Int? {
            read(4, at: offset).map { Int($0.number(at: 0) as UInt32) }
        }
    }
#endif
