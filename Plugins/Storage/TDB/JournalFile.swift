// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import XenStoreKernel

    /// One of a store's two journals: batches that are not in the table yet, one behind the other.
    ///
    /// A batch is safe from the daemon's death when it is written, and from the host's when it is synced.
    /// A journal is emptied without touching the file: the batch that is written at its beginning next
    /// has a number that tells it from the older ones behind it. Nor does a sync find a file that has just
    /// grown, which costs the file system a commit of its own: a journal that is synced grows by
    /// ``stride`` at a time.
    struct JournalFile {
        let path: String
        /// What the file begins with, as far as it counts.
        private(set) var content: [UInt8]
        private var descriptor: Int32 = -1
        private var identity: FileIdentity?
        /// The file may not hold what it should, and is written anew before anything is added.
        private var isSuspect = true
        /// The file may hold a batch that was refused, or hold it again after a power cut: of this daemon's, or of
        /// one that was killed.
        private var mayHoldRefused = true

        /// Bytes that the file has, or would have if there was room, if it is synced.
        private var allocated = 0

        /// An emptied file is cut to this, so that one that was large once does not stay so.
        private static let spareSize = 16 << 20
        /// An emptied journal that was larger than this gives its memory back.
        private static let spareMemory = 1 << 20
        /// What a journal that is synced grows by.
        private static let stride = 1 << 20

        init(path: String, content: [UInt8]) {
            self.path = path
            self.content = content
        }

        /// Adds a batch, all of it or nothing. One that needs no sync is safe from a power cut with the next
        /// that does, if the journal is one that `syncs`.
        mutating func append(_ batch: [UInt8], syncs: Bool, needsSync: Bool) throws(StorageError) {
            try makeSound(syncs: syncs)
            guard batch.withUnsafeBytes({ WholeFile.write($0, to: descriptor, at: content.count) }) else {
                let failure = errno
                retract()
                throw .system("write", path, failure)
            }
            if syncs { allocate(beyond: content.count + batch.count) }
            if needsSync, fdatasync(descriptor) != 0 {
                let failure = errno
                retract()
                // What the system could not write it may have dropped: it must be given all of it again.
                isSuspect = true
                mayHoldRefused = true
                throw .system("sync", path, failure)
            }
            content += batch
            identity?.size = content.count
        }

        /// Makes sure that no batch is left in the file that was refused. To be called before the other journal of a
        /// store that `syncs` is given a batch: that has the number of the one that was refused, and a store of
        /// which both journals hold a batch of one number is damaged.
        mutating func forgetRefused(syncs: Bool) throws(StorageError) {
            if !mayHoldRefused { return }
            if syncs, access(path, F_OK) == 0 {
                isSuspect = true
                try makeSound(syncs: true)
            }
            mayHoldRefused = false
        }

        /// All of it is in the table.
        mutating func empty() {
            content.removeAll(keepingCapacity: content.capacity <= Self.spareMemory)
            identity?.size = 0
            var status = stat()
            if descriptor >= 0, fstat(descriptor, &status) == 0, status.st_size > Self.spareSize {
                ftruncate(descriptor, off_t(Self.spareSize))
                allocated = min(allocated, Self.spareSize)
            }
        }

        mutating func close() {
            if descriptor >= 0 { Glibc.close(descriptor) }
            descriptor = -1
            isSuspect = true
        }

        /// A batch that nobody is told of must not be found by the next daemon.
        private mutating func retract() {
            if ftruncate(descriptor, off_t(content.count)) != 0 { isSuspect = true }
            allocated = 0
        }

        /// Writes zeros behind what there is, so that the next batches change blocks that are the file's
        /// already. Where there is no room for that, batches make the file grow.
        private mutating func allocate(beyond end: Int) {
            if end <= allocated { return }
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { return }
            allocated = Int(status.st_size)
            if end < allocated { return }
            allocated = end + Self.stride
            let zeros = [UInt8](repeating: 0, count: Self.stride)
            // The last bytes of a disk are for batches and the table.
            if !zeros.withUnsafeBytes({ WholeFile.write($0, to: descriptor, at: end) }) {
                ftruncate(descriptor, off_t(end))
            }
        }

        private mutating func makeSound(syncs: Bool) throws(StorageError) {
            if !isSuspect, identity?.problem(at: path) == nil { return }
            isSuspect = true
            // Something else may have taken the name: it is not ours to overwrite.
            if let stranger = Stranger.under(path, besides: .journal) { throw StorageError(stranger) }
            let draft = StoreFiles.draft(of: path)
            let fresh = try StoreFiles.openDraft(of: path)
            do throws(StorageError) {
                guard content.withUnsafeBytes({ WholeFile.write($0, to: fresh, at: 0) }) else {
                    throw .system("write", draft)
                }
                if syncs, fsync(fresh) != 0 { throw .system("sync", draft) }
                guard rename(draft, path) == 0 else { throw .system("rename", draft) }
                if syncs { try StoreFiles.syncFolder(of: path) }
                identity = try FileIdentity(fresh, path)
            } catch {
                Glibc.close(fresh)
                unlink(draft)
                throw error
            }
            close()
            descriptor = fresh
            allocated = 0
            isSuspect = false
            mayHoldRefused = false
        }
    }
#endif
