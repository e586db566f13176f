// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import XenStoreKernel

    /// Something that is not the store's, under a name of the store's: an operator's slip. It is refused and
    /// left as it is.
    struct Stranger: Error, CustomStringConvertible {
        let path: String
        /// What follows the path in a sentence, such as "is a folder".
        let reason: String

        var description: String { "'\(path)' \(reason)" }

        /// What a file of a store can be.
        enum Kind {
            /// A TDB file with a XenStore in it, or what damage or power loss has left of one.
            case table
            case journal
            /// A table or a journal that may never have been finished, so that power loss may have left less of it.
            case draft
            case lock

            fileprivate var absence: String {
                switch self {
                case .table, .draft: "is no store"
                case .journal: "is no journal of a store"
                case .lock: "is no lock of a store"
                }
            }

            fileprivate func fits(_ file: FileHead) -> Bool {
                switch self {
                case .table: file.isTable
                case .journal: file.isJournal
                case .draft: file.isTable || file.isJournal
                case .lock: file.isLock
                }
            }
        }

        /// What stands under this name, unless it is nothing, or a file of this kind. Pipes and devices are not
        /// opened. Nor is it said of what cannot be looked at: that fails when it is used.
        static func under(_ path: String, besides kind: Kind) -> Stranger? {
            func isA(_ reason: String) -> Stranger { Stranger(path: path, reason: reason) }
            var status = stat()
            guard lstat(path, &status) == 0 else { return nil }
            switch status.st_mode & S_IFMT {
            case S_IFREG: break
            case S_IFDIR: return isA("is a folder" + (kind == .table ? "; name a file in it" : ""))
            case S_IFIFO: return isA("is a pipe")
            case S_IFSOCK: return isA("is a socket")
            case S_IFLNK: return isA("is a symbolic link; name the file itself")
            default: return isA("is a device")
            }
            guard let file = FileHead(path), !kind.fits(file) else { return nil }
            let isOurJournal = kind == .table && file.beginsWithBatch
            return isA(isOurJournal ? "is a journal; name the file of the store" : kind.absence)
        }

        /// A folder, or what stands where one is needed.
        fileprivate static func above(_ path: String) -> Stranger? {
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            if let last = parts.last, ["", ".", ".."].contains(last) {
                return Stranger(path: path, reason: "is a folder; name a file in it")
            }
            // From the root down: what is missing is made, and so is all below it.
            for count in parts.indices.dropFirst(2) {
                let folder = parts.prefix(count).joined(separator: "/")
                var status = stat()
                guard stat(folder, &status) == 0 else { return nil }
                if status.st_mode & S_IFMT != S_IFDIR { return Stranger(path: folder, reason: "is no folder") }
            }
            return nil
        }
    }

    extension StoreFiles {
        /// What is not the store's under one of the names that the store uses, or will use in a repair.
        func stranger(inRepair isInRepair: Bool = false) -> Stranger? {
            if let folder = Stranger.above(table) { return folder }
            let tables = isInRepair ? [table, repaired] : [table]
            func first(_ paths: [String], _ kind: Stranger.Kind) -> Stranger? {
                paths.lazy.compactMap { Stranger.under($0, besides: kind) }.first
            }
            return first(tables, .table) ?? first(journals, .journal)
                ?? first((tables + journals + [reserve]).map(Self.draft), .draft) ?? first([lock], .lock)
        }
    }

    /// What a regular file begins with tells whose it is.
    private final class FileHead {
        private let descriptor: Int32

        /// The first records of a store are within this, unless it has more hash chains than usual.
        private static let usual = 1 << 20
        /// The first records of any store are within this.
        private static let most = 80 << 20

        /// Nil if the file cannot be opened.
        init?(_ path: String) {
            descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            if descriptor < 0 { return nil }
        }

        deinit { close(descriptor) }

        /// A store's records say so. Where none is left it is enough that it is a TDB file without any record of
        /// another program, or empty, or zeros, as power loss may leave it.
        var isTable: Bool {
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_size <= UInt32.max else { return false }
            for limit in [Self.usual, Self.most] {
                guard let (bytes, isAll) = first(limit) else { return true }
                let owners = bytes.withUnsafeBytes(Self.owners)
                if owners.us { return true }
                if !isAll && limit < Self.most { continue }
                return !owners.others && (bytes.starts(with: TableLayout.magic) || isAll && Self.isZero(bytes))
            }
            return false
        }

        /// It begins with a batch or a piece of one, or with zeros that power loss has left in its place; or there
        /// are others after the first one, which is damaged.
        var isJournal: Bool {
            guard let (bytes, _) = first(Self.usual) else { return true }
            if Self.isZero(bytes.prefix(Batch.headerSize)) || Batch.magic.starts(with: bytes) { return true }
            return bytes.indices.contains { bytes[$0] == Batch.magic[0] && Batch.begins(bytes[$0...]) }
        }

        var beginsWithBatch: Bool { first(Batch.magic.count).map { Batch.begins($0.bytes[...]) } ?? false }

        /// It holds the number of a process, or nothing.
        var isLock: Bool {
            guard let (bytes, _) = first(64) else { return true }
            return bytes.count < 32 && bytes.allSatisfy { $0 == 0 || $0 == 10 || (48...57).contains($0) }
        }

        /// Whether there are records of a store, and of another program if there is none of a store.
        private static func owners(of bytes: UnsafeRawBufferPointer) -> (us: Bool, others: Bool) {
            var others = false
            var offset = TableLayout.headerSize
            while offset + TableLayout.recordSize <= bytes.count {
                guard let record = Salvage.record(at: offset, in: bytes) else {
                    offset += 4
                    continue
                }
                let isOwn = record.key.raw.starts(with: RecordKey.ownPrefix)
                let isNode = record.key.isNode && StoredPath.isValid(record.key.raw) && StoredNode(record.data) != nil
                if isOwn || isNode { return (true, false) }
                others = true
                offset = record.end
            }
            return (false, others)
        }

        private static func isZero(_ bytes: some Collection<UInt8>) -> Bool { bytes.allSatisfy { $0 == 0 } }

        /// The first bytes, and whether there are no others. Nil if they cannot be read.
        private func first(_ limit: Int) -> (bytes: [UInt8], isAll: Bool)? {
            var bytes: [UInt8] = []
            var piece = [UInt8](repeating: 0, count: min(limit, Self.usual))
            while bytes.count < limit {
                let count = pread(descriptor, &piece, min(piece.count, limit - bytes.count), off_t(bytes.count))
                if count < 0 { return nil }
                if count == 0 { return (bytes, true) }
                bytes += piece[..<count]
            }
            return (bytes, false)
        }
    }
#endif
