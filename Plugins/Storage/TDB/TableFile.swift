// SPDX-License-Identifier: Apache-2.0
#if TDB
    import CLinux
    import CTDB
    import Glibc
    import JournaledStorage
    import Synchronization
    import XenStorePlugin

    /// The TDB file. It changes only in transactions of libtdb, so it is always whole, for the daemon and for every
    /// tool that knows TDB.
    ///
    /// libtdb does not map the file: if a mapped file is truncated or unreadable, the process is killed, while a failed
    /// read is an error. Nor does it lock the file. It would wait for any process with a lock, such as a `tdbdump`
    /// whose output nobody reads. Instead ``apply(_:unless:)`` takes the locks of all tools at once, or fails.
    public final class TableFile {
        private let path: String
        private let files: StoreFiles
        private var place: TablePlace
        private let syncs: Bool
        /// Whether the file may lack something, or hold too much. Then it is written again before it changes.
        private var isSuspect: Bool
        /// Whether a power cut may still undo the file's name.
        private var isNameOpen = false
        /// The offset of libtdb's mark for an unfinished transaction.
        private var markerPlace: Int?
        /// Whether a transaction has failed and the file does not have that mark.
        private var isMarkerOpen = false
        /// A descriptor of our own. It reads the content even if the file loses its name.
        private var descriptor: Int32
        private var handle: OpaquePointer?

        public var size: Int { place.size }

        public init(_ files: StoreFiles, syncs: Bool, isSuspect: Bool) throws(StorageError) {
            self.files = files
            path = files.table
            self.syncs = syncs
            self.isSuspect = isSuspect
            let file = Glibc.open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard file >= 0 else { throw .system("open", path) }
            do throws(StorageError) {
                place = try TablePlace(files, file)
            } catch {
                Glibc.close(file)
                throw error
            }
            descriptor = file
        }

        deinit {
            closeHandle()
            Glibc.close(descriptor)
        }

        // MARK: Changing

        public func apply(_ outcome: JournalOutcome, unless isHurried: () -> Bool) throws(TableFailure) {
            try makeSound()
            if outcome.records.isEmpty { return }
            try lock()
            defer { unlock() }
            do throws(TableFailure) { try applyLocked(outcome, isHurried) } catch {
                // libtdb's knowledge of the file may be wrong now. It recovers when it opens the file again.
                closeHandle()
                throw error
            }
        }

        private func applyLocked(_ outcome: JournalOutcome, _ isHurried: () -> Bool) throws(TableFailure) {
            let handle = try open()
            if isRewriteCheaper(for: outcome), try rewrite(handle, outcome, isHurried) { return }
            errno = 0
            guard tdb_transaction_start(handle) == 0 else { throw Self.failure(handle, "change", path) }
            var isGood = removeSubtrees(outcome, from: handle, isHurried)
            for (key, record) in outcome.records where isGood {
                if isHurried() { break }
                if let record { isGood = Self.store(handle, key, record) } else { isGood = Self.remove(handle, key) }
            }
            guard isGood, !isHurried() else {
                let failure = Self.failure(handle, "change", path)
                tdb_transaction_cancel(handle)
                throw failure
            }
            errno = 0
            guard tdb_transaction_prepare_commit(handle) == 0 else {
                // libtdb does not tell whether the system refused more room.
                if errno == 0, tdb_error(handle) != TDB_ERR_CORRUPT { errno = ENOSPC }
                let failure = Self.failure(handle, "write", path)
                closeHandle()
                shrink()
                throw failure
            }
            markerPlace = area().map { $0 + TableLayout.magicOffset }
            let isCommitted = tdb_transaction_commit(handle) == 0
            let failure = isCommitted ? TableFailure.system("sync", path, EIO) : Self.failure(handle, "write", path)
            // libtdb does not tell whether it could remove its mark.
            guard isCommitted, checkSync(), marker() == 0 else {
                // Write the file again without the transaction, now or at the next start.
                isSuspect = true
                if !isCommitted { keepMarker() }
                closeHandle()
                setMarker()
                throw failure
            }
            try identify()
        }

        /// Removes the records of whole subtrees. Only the keys tell which these are.
        private func removeSubtrees(
            _ outcome: JournalOutcome, from handle: OpaquePointer, _ isHurried: () -> Bool
        ) -> Bool {
            if outcome.subtrees.isEmpty { return true }
            var key = tdb_firstkey(handle)
            defer { free(key.dptr) }
            while key.dptr != nil, !isHurried() {
                let next = tdb_nextkey(handle, key)
                let bytes = Bytes(key.bytes)
                let isGood = !outcome.subtrees.contains(bytes) || Self.remove(handle, bytes)
                free(key.dptr)
                key = next
                if !isGood { return false }
            }
            return tdb_error(handle) == TDB_SUCCESS || tdb_error(handle) == TDB_ERR_NOEXIST
        }

        // MARK: Writing the whole table

        /// Whether it is cheaper to write the whole table. A transaction costs more with each record that was ever
        /// removed, since libtdb searches one long list for room. If much has changed, it is far cheaper to write
        /// everything in sequence.
        private func isRewriteCheaper(for outcome: JournalOutcome) -> Bool {
            let isSmall = outcome.size < Self.rewriteMin
            // Each time the whole table is written, the disk wears.
            let most = outcome.size * (syncs ? Self.rewriteShareOnDisk : Self.rewriteShare)
            return (!outcome.subtrees.isEmpty || !isSmall && place.size <= most)
                && Disk.space(in: files.folder)?.free ?? .max >= 4 * (place.size + outcome.size)
        }

        private static let rewriteMin = 256 << 10
        private static let rewriteShare = 16
        private static let rewriteShareOnDisk = 4

        /// Replaces this table by a new one with its records, changed by an outcome. False if the new one cannot be
        /// written.
        private func rewrite(
            _ handle: OpaquePointer, _ outcome: JournalOutcome, _ isHurried: () -> Bool
        ) throws(TableFailure) -> Bool {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw .system("look at", path) }
            let fresh: Int32
            do throws(StorageError) {
                var draft = try TableDraft(
                    of: files, hashSize: chains(of: handle, with: outcome), mode: status.st_mode & 0o777)
                try draft.copy(handle, with: outcome, unless: isHurried)
                fresh = try draft.takePlace(
                    mode: status.st_mode & 0o777, owner: status.st_uid, group: status.st_gid)
            } catch {
                if isHurried() { throw .failed(error) }
                return false
            }
            closeHandle()
            Glibc.close(descriptor)
            descriptor = fresh
            isNameOpen = true
            try identify()
            if syncs {
                do throws(StorageError) { try StoreFiles.syncFolder(of: path) } catch { throw .failed(error) }
            }
            isNameOpen = false
            return true
        }

        /// The number of hash chains for the new table. libtdb walks along one for each record, so a table that has grown
        /// gets more of them, about one for each record.
        private func chains(of handle: OpaquePointer, with outcome: JournalOutcome) -> Int {
            max(Int(tdb_hash_size(handle)), min((place.size + outcome.size) / 128 | 1, Self.chainsMax))
        }

        /// The most that `hash-size` may be.
        private static let chainsMax = 16_777_213

        private func identify() throws(TableFailure) {
            do throws(StorageError) { try place.follow(descriptor) } catch { throw .failed(error) }
        }

        /// Cuts off room at the end of the file that was meant for a transaction that never began. libtdb does not know
        /// it, so later it would be a gap.
        private func shrink() {
            var none: UInt32 = 0
            let isOutside = area().map { $0 + TableLayout.recordSize > place.size } ?? false
            if ftruncate(descriptor, off_t(place.size)) != 0
                || isOutside && pwrite(descriptor, &none, 4, off_t(TableLayout.recoveryOffset)) != 4
            {
                isSuspect = true
            }
            checkSync()
        }

        /// Whether all written bytes have reached the disk. The system may drop bytes that it cannot write. It reports
        /// that once to each descriptor: to libtdb's and to ours.
        @discardableResult
        private func checkSync() -> Bool {
            if !syncs || fdatasync(descriptor) == 0 { return true }
            isSuspect = true
            return false
        }

        private static func store(_ handle: OpaquePointer, _ key: Bytes, _ data: UnsafeRawBufferPointer) -> Bool {
            tdb_store(handle, TDB_DATA(key.raw), TDB_DATA(data), 0) == 0
        }

        /// A missing record counts as removed.
        private static func remove(_ handle: OpaquePointer, _ key: Bytes) -> Bool {
            tdb_delete(handle, TDB_DATA(key.raw)) == 0 || tdb_error(handle) == TDB_ERR_NOEXIST
        }

        static func failure(_ handle: OpaquePointer, _ doing: String, _ path: String) -> TableFailure {
            if errno != 0 { return .system(doing, path) }
            let text = tdb_errorstr(handle).map { String(cString: $0) }
            return .failed(StorageError("can't \(doing) '\(path)': \(text ?? "unknown error")"))
        }

        // MARK: Opening

        /// Returns the handle, and opens the file if necessary. Opening undoes an unfinished transaction.
        private func open() throws(TableFailure) -> OpaquePointer {
            if let handle { return handle }
            // Opens by descriptor, so it is this very file, even if another file has the name now.
            let name = "/proc/self/fd/\(descriptor)"
            let flags = TDB_NOLOCK | TDB_NOMMAP | TDB_DISALLOW_NESTING | (syncs ? 0 : TDB_NOSYNC)
            errno = 0
            handle = LibTDB.opening.withLock { _ in
                nonisolated(unsafe) let opened = tdb_open(name, 0, flags, O_RDWR | O_CLOEXEC, 0)
                return opened
            }
            guard let handle else { throw .system("open", path) }
            return handle
        }

        private func closeHandle() {
            guard let handle else { return }
            nonisolated(unsafe) let closing = handle
            LibTDB.opening.withLock { _ in _ = tdb_close(closing) }
            self.handle = nil
        }

        /// Takes all locks of libtdb. They are on ranges of the file, so one lock on the whole file excludes them all.
        private func lock() throws(TableFailure) {
            if FileLock.take(descriptor, F_WRLCK) { return }
            if errno != EAGAIN && errno != EACCES { throw .failed(.system("lock", path)) }
            throw .locked(.locked(path))
        }

        private func unlock() { FileLock.drop(descriptor) }

        // MARK: What others do to the file

        /// Writes the file again if its name is gone or changed, or if the file may be wrong. Fails if the file has
        /// lost bytes, or if its name belongs to something that is no store.
        private func makeSound() throws(TableFailure) {
            do throws(StorageError) {
                if try place.mustWriteAgain(descriptor) { isSuspect = true }
            } catch {
                throw .failed(error)
            }
            if !isSuspect, !isNameOpen { return }
            try lock()
            defer { unlock() }
            if isSuspect { try renew() }
            do throws(StorageError) {
                if syncs { try StoreFiles.syncFolder(of: path) }
                isNameOpen = false
            } catch {
                throw .failed(error)
            }
        }

        public func takeMended() -> StorageError? { place.takeMended() }

        private func renew() throws(TableFailure) {
            let draft = StoreFiles.draft(of: path)
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw .system("look at", path) }
            let content: [UInt8]
            let fresh: Int32
            do throws(StorageError) {
                content = try wholeContent()
                errno = 0
                fresh = try files.openDraft(of: path)
            } catch {
                throw errno == ENOSPC ? .full(error) : .failed(error)
            }
            guard WholeFile.write(content, to: fresh, at: 0), fchmod(fresh, status.st_mode & 0o777) == 0,
                fsync(fresh) == 0, rename(draft, path) == 0
            else {
                let failure = TableFailure.system("restore", path)
                close(fresh)
                unlink(draft)
                throw failure
            }
            closeHandle()
            Glibc.close(descriptor)
            descriptor = fresh
            isSuspect = false
            isNameOpen = true
            try identify()
        }

        /// The checked content of the file, without a failed transaction.
        private func wholeContent() throws(StorageError) -> [UInt8] {
            if isMarkerOpen { setMarker() }
            if isMarkerOpen { throw .system("write", path) }
            let image: TableImage
            do throws(TableProblem) {
                image = try TableImage(of: descriptor, path)
                try image.forEachRecord({ _, _ in })
            } catch {
                throw StorageError("can't restore '\(path)': \(error)")
            }
            return try image.bytes()
        }

        // MARK: The marker of a transaction

        /// The offset at which libtdb keeps the bytes that the transaction replaces.
        private func area() -> Int? {
            var area: UInt32 = 0
            guard pread(descriptor, &area, 4, off_t(TableLayout.recoveryOffset)) == 4, area != 0 else { return nil }
            return Int(UInt32(littleEndian: area))
        }

        private func marker() -> UInt32? {
            var magic: UInt32 = 0
            guard let markerPlace, pread(descriptor, &magic, 4, off_t(markerPlace)) == 4 else { return nil }
            return UInt32(littleEndian: magic)
        }

        /// libtdb removes its mark when it closes the file, even after a failed transaction. This keeps the mark:
        /// libtdb can no longer reach the file.
        private func keepMarker() {
            let nothing = Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC)
            guard nothing >= 0, let handle else { return }
            dup2(nothing, tdb_fd(handle))
            Glibc.close(nothing)
        }

        /// Marks a transaction whose end has failed, so each opening of the file undoes it. libtdb itself would forget
        /// a transaction that it cannot undo.
        private func setMarker() {
            guard let markerPlace else { return }
            var area = UInt32(truncatingIfNeeded: markerPlace - TableLayout.magicOffset).littleEndian
            var magic = TableLayout.recoveryMagic.littleEndian
            isMarkerOpen =
                pwrite(descriptor, &area, 4, off_t(TableLayout.recoveryOffset)) != 4
                || pwrite(descriptor, &magic, 4, off_t(markerPlace)) != 4
                || syncs && fdatasync(descriptor) != 0
        }
    }

    extension StorageError {
        static func locked(_ path: String) -> StorageError {
            StorageError("another process keeps '\(path)' locked")
        }
    }

    /// A lock that all threads of the process share, for libtdb.
    enum LibTDB {
        /// libtdb keeps one list of open files and does not lock it. A thread that opens or closes any TDB file holds
        /// this.
        static let opening = Mutex(())
    }

    /// Locks of a whole file that belong to a descriptor. They exclude those of libtdb.
    enum FileLock {
        /// Takes a lock. Returns false with `errno` set: EAGAIN if another process holds the lock for longer than this
        /// may take.
        static func take(_ descriptor: Int32, _ kind: Int32, milliseconds: Int = 0) -> Bool {
            var range = flock()
            range.l_type = Int16(kind)
            range.l_whence = Int16(SEEK_SET)
            // The system cannot wait for a lock with a time limit, so ask again and again.
            for _ in 0..<milliseconds / pause {
                if fcntl(descriptor, linux_ofd_setlk, &range) == 0 { return true }
                if errno != EAGAIN, errno != EACCES { return false }
                usleep(UInt32(pause * 1000))
            }
            return fcntl(descriptor, linux_ofd_setlk, &range) == 0
        }

        private static let pause = 10

        static func drop(_ descriptor: Int32) { _ = take(descriptor, F_UNLCK) }
    }

    extension TDB_DATA {
        /// libtdb only reads these bytes.
        init(_ bytes: UnsafeRawBufferPointer) {
            let start = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
            self.init(dptr: start?.assumingMemoryBound(to: UInt8.self), dsize: bytes.count)
        }

        var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: dptr, count: dsize) }
    }
#endif
