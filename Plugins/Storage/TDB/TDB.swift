// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import JournaledStorage
    import XenStorePlugin

    /// Keeps the store in one TDB file, in the layout of C xenstored.
    public typealias TDB = JournaledStorage<TableFile>

    extension TableFile: JournaledTable {
        public static var name: String { "tdb" }
        public static var summary: String { "The store lives in one TDB file and outlives the daemon." }
        public static var keys: [ConfigurationKey] {
            [
                ConfigurationKey(
                    "hash-size", .number(1...16_777_213), default: .number(65537),
                    "Hash chains of a new file, 4 bytes each; best a prime number near that of nodes.")
            ]
        }
        public static var sizeMax: Int { Int(UInt32.max) }
        public static var ownBound: String { "TDB's 4 GiB" }

        public static func make(
            _ files: StoreFiles, _ configuration: ConfigurationBlock, _ records: [(key: [UInt8], data: [UInt8])]
        ) throws(StorageError) {
            let mode = mode_t(configuration.number("mode") ?? 0o600)
            var draft = try TableDraft(of: files, hashSize: configuration.number("hash-size") ?? 65537, mode: mode)
            for (key, data) in records {
                try key.withBytes { key throws(StorageError) in
                    try data.withBytes { data throws(StorageError) in try draft.store(Bytes(key), data) }
                }
            }
            Glibc.close(try draft.takePlace(mode: mode, owner: geteuid(), group: getegid()))
            try StoreFiles.syncFolder(of: files.table)
        }

        public static func read(_ files: StoreFiles, into content: StoreContent) throws(TableProblem) {
            let image = try TableImage(of: files.table)
            content.reserve(recordsOf: image.byteCount)
            try image.forEachRecord(
                { [unowned content] key, data in content.add(key, data) }, startOver: { content.startOver() })
            content.describe(
                size: image.byteCount, isInterrupted: image.wasInterrupted, isAltered: image.isAltered)
        }

        public static func salvage(_ files: StoreFiles, into content: StoreContent) throws(StorageError) {
            let image: TableImage
            do throws(TableProblem) {
                image = try TableImage(of: files.table)
            } catch {
                if case .unreadable(let error) = error { throw error }
                throw StorageError("'\(files.table)': \(error)")
            }
            Salvage(try image.bytes()).forEachRecord { content.addNewest($0, $1) }
        }

        /// libtdb takes more room than it needs, by about a quarter of the table, and keeps a copy of the changed
        /// bytes.
        public static func bytesToApply(journals: Int, table: Int) -> Int { 2 * journals + table / 8 * 5 + least }

        /// The table may grow by this much for a few records.
        private static let least = 1 << 20

        // MARK: Recognizing a file

        /// The first records of a store are in this part of the file, unless it has more hash chains than usual.
        private static let usualHead = 1 << 20
        /// The first records of any store are in this part of the file.
        private static let largestHead = 80 << 20

        /// Recognizes a store by its records. If none is left, the file must be a TDB file without a record of another
        /// program, or empty, or all zeros, as a power cut may leave it. A draft may also have keys whose records are
        /// lost.
        public static func recognizes(_ file: FileHead, isDraft: Bool) -> Bool {
            guard let size = file.size, size <= UInt32.max else { return false }
            for limit in [usualHead, largestHead] {
                guard let (bytes, isAll) = file.first(limit) else { return true }
                let owners = bytes.withUnsafeBytes(owners)
                if owners.us { return true }
                if !isAll && limit < largestHead { continue }
                if owners.others || owners.unknown && !isDraft { return false }
                return bytes.starts(with: TableLayout.magic) || isAll && FileHead.isZero(bytes)
            }
            return false
        }

        /// Whether there are records of a store. If there are none: whether some could be a store's, and whether some
        /// belong to another program.
        private static func owners(of bytes: UnsafeRawBufferPointer) -> (us: Bool, unknown: Bool, others: Bool) {
            var (unknown, others) = (false, false)
            var offset = TableLayout.headerSize
            while offset + TableLayout.recordSize <= bytes.count {
                guard let record = Salvage.record(at: offset, in: bytes) else {
                    offset += 4
                    continue
                }
                switch record.key.owner(of: record.data) {
                case .store: return (true, false, false)
                case .unknown: unknown = true
                case .other: others = true
                }
                offset = record.end
            }
            return (false, unknown, others)
        }
    }
#endif
