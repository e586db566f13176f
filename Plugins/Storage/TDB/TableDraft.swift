// SPDX-License-Identifier: Apache-2.0
#if TDB
    import CTDB
    import Glibc
    import JournaledStorage
    import XenStorePlugin

    /// A new table beside the place that it will take. If it does not take the place, it is removed.
    struct TableDraft: ~Copyable {
        private let path: String
        private let draft: String
        private let handle: OpaquePointer
        private var isOpen = true
        private var isInPlace = false

        init(of files: StoreFiles, hashSize: Int, mode: mode_t) throws(StorageError) {
            path = files.table
            draft = StoreFiles.draft(of: path)
            Glibc.close(try files.openDraft(of: path))
            unlink(draft)
            handle = try Self.open(draft, hashSize: hashSize, mode: mode)
        }

        /// Opens the draft, and syncs it while it is empty. So the storage recognizes its remains after a power cut.
        private static func open(_ path: String, hashSize: Int, mode: mode_t) throws(StorageError) -> OpaquePointer {
            errno = 0
            let made = LibTDB.opening.withLock { _ in
                nonisolated(unsafe) let handle = tdb_open(
                    path, Int32(hashSize), TDB_NOLOCK | TDB_NOSYNC, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode)
                return handle
            }
            guard let made else { throw .system("make", path) }
            if fsync(tdb_fd(made)) == 0 { return made }
            let failure = StorageError.system("write", path)
            close(made)
            unlink(path)
            throw failure
        }

        deinit {
            if isOpen { Self.close(handle) }
            if !isInPlace { unlink(draft) }
        }

        private static func close(_ handle: OpaquePointer) {
            nonisolated(unsafe) let closing = handle
            LibTDB.opening.withLock { _ in _ = tdb_close(closing) }
        }

        func store(_ key: Bytes, _ data: UnsafeRawBufferPointer) throws(StorageError) {
            errno = 0
            if tdb_store(handle, TDB_DATA(key.raw), TDB_DATA(data), 0) == 0 { return }
            throw TableFile.failure(handle, "write", draft).error
        }

        /// Copies the records of a table, changed by an outcome. Gives up if `isHurried` returns true.
        func copy(
            _ table: OpaquePointer, with outcome: JournalOutcome, unless isHurried: () -> Bool
        ) throws(StorageError) {
            errno = 0
            var key = tdb_firstkey(table)
            defer { free(key.dptr) }
            while key.dptr != nil, !isHurried() {
                let bytes = Bytes(key.bytes)
                if outcome.records[bytes] == nil, !outcome.subtrees.contains(bytes) {
                    let data = tdb_fetch(table, key)
                    defer { free(data.dptr) }
                    guard data.dptr != nil else { throw TableFile.failure(table, "read", path).error }
                    try store(bytes, data.bytes)
                }
                let next = tdb_nextkey(table, key)
                free(key.dptr)
                key = next
            }
            if isHurried() { throw StorageError("the daemon ends") }
            if tdb_error(table) != TDB_SUCCESS, tdb_error(table) != TDB_ERR_NOEXIST {
                throw TableFile.failure(table, "read", path).error
            }
            for case (let key, let record?) in outcome.records { try store(key, record) }
        }

        /// Takes the place, and returns a descriptor of the file. Syncs the file first: if a power cut tore its first
        /// page, the storage would not recognize it. The name may not survive a power cut yet.
        mutating func takePlace(mode: mode_t, owner: uid_t, group: gid_t) throws(StorageError) -> Int32 {
            let file = Glibc.open(draft, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard file >= 0 else { throw .system("open", draft) }
            let isWritten = fchown(file, owner, group) == 0 && fchmod(file, mode) == 0 && fsync(file) == 0
            let failure = errno
            Self.close(handle)
            isOpen = false
            guard isWritten, rename(draft, path) == 0 else {
                Glibc.close(file)
                throw .system("write", draft, isWritten ? errno : failure)
            }
            isInPlace = true
            return file
        }
    }
#endif
