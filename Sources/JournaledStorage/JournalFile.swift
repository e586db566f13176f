// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// One of the two journals of a store: batches that are not in the table yet.
///
/// A written batch survives the death of the daemon. A synced batch survives the death of the host. To empty a journal,
/// the daemon does not touch the file: the next batch overwrites the beginning, and its number shows that the batches
/// after it are older. The file is longer than its content, for two reasons. It keeps room for changes that free room
/// on a full disk. And a sync is cheaper if the file has not just grown.
struct JournalFile {
    let path: String
    private let files: StoreFiles
    /// The valid bytes at the beginning of the file.
    private(set) var content: [UInt8]
    /// The size of the batches with whole keys.
    private(set) var weight: Int
    private var descriptor: Int32 = -1
    private var identity: FileIdentity?
    /// Whether the file may differ from `content`. Then it is written again before the next batch.
    private(set) var isSuspect = true
    /// Whether the file may hold a refused batch, now or after a power cut. The batch is of this daemon or of one that
    /// was killed.
    private var mayHoldRefused = true
    /// Whether the daemon has not yet looked for a file of an earlier daemon.
    private var isNew = true
    private let syncs: Bool

    /// The size of the file in bytes.
    private var allocated = 0
    /// Whether the last refused batch lacked room on the disk.
    private(set) var lacksRoom = false

    /// An emptied file is cut to this size, so it does not stay large for ever.
    private static let spareSize = 16 << 20
    /// An emptied journal above this size frees its memory.
    private static let spareMemory = 1 << 20
    /// Below this size a journal does not grow step by step.
    private static let usualLeast = 256 << 10
    /// The usual upper bound of a journal. Commits wait above it.
    private static let usualMost = 68 << 20
    /// The largest step by which a journal grows.
    private static let stride = 1 << 20

    init(path: String, of files: StoreFiles, content: [UInt8], weight: Int, syncs: Bool) {
        self.path = path
        self.files = files
        self.content = content
        self.weight = weight
        self.syncs = syncs
    }

    /// Adds the whole batch, or nothing. A batch without a sync survives a power cut when a later batch is synced.
    /// `room` bytes stay free after the batch. If a full disk does not allow that, the batch is refused.
    mutating func append(_ batch: Batch, needsSync: Bool, leaving room: Int) throws(StorageError) {
        try makeSound()
        let end = content.count + batch.bytes.count
        if end + room > allocated { try grow(for: end, leaving: room) }
        guard WholeFile.write(batch.bytes, to: descriptor, at: content.count) else {
            let failure = errno
            lacksRoom = Self.isLackOfRoom(failure)
            retract()
            throw .system("write", path, failure)
        }
        allocated = max(allocated, end)
        if needsSync, fdatasync(descriptor) != 0 {
            let failure = errno
            retract()
            // The system may have dropped the bytes that it could not write, so the file is written again.
            isSuspect = true
            mayHoldRefused = true
            throw .system("sync", path, failure)
        }
        add(batch)
        identity?.size = content.count
    }

    /// Adds the batch in memory. A large array that doubles would copy tens of megabytes while all clients wait.
    /// Reserved memory takes no room until it is used.
    private mutating func add(_ batch: Batch) {
        let end = content.count + batch.bytes.count
        if end > Self.spareMemory, content.capacity < Self.usualMost { content.reserveCapacity(Self.usualMost) }
        if content.capacity < Self.usualLeast { content.reserveCapacity(Self.usualLeast) }
        content.append(contentsOf: batch.bytes)
        weight += batch.weight
    }

    /// Removes a refused batch from the file. Call this before the other journal of a store that syncs gets a batch.
    /// That batch has the number of the refused one, and a store with one number in both journals counts as damaged.
    mutating func forgetRefused() throws(StorageError) {
        if !mayHoldRefused { return }
        if syncs, access(path, F_OK) == 0 {
            isSuspect = true
            try makeSound()
        }
        mayHoldRefused = false
    }

    /// Adds a batch that could not be written. It stays in memory until the file can be written again.
    mutating func keep(_ batch: Batch) {
        add(batch)
        isSuspect = true
    }

    /// Forgets all batches, since the table has them.
    mutating func empty() {
        content.removeAll(keepingCapacity: content.capacity <= Self.spareMemory)
        weight = 0
        identity?.size = 0
        if descriptor >= 0, allocated > Self.spareSize, ftruncate(descriptor, off_t(Self.spareSize)) == 0 {
            allocated = Self.spareSize
        }
    }

    mutating func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
        isSuspect = true
    }

    /// What another program has done to the file; nil if nothing. The file is then written again before the next batch.
    mutating func look() -> FileIdentity.Problem? {
        guard let problem = identity?.problem(at: path) else { return nil }
        isSuspect = true
        return problem
    }

    /// Writes the file if it may be wrong, and gives it `room` more bytes if possible.
    mutating func restore(leaving room: Int) throws(StorageError) {
        try makeSound()
        if content.count + room > allocated { try grow(for: content.count, leaving: room) }
    }

    /// Removes a refused batch, which the next daemon must not find. The file keeps its size.
    private mutating func retract() {
        let zeros = [UInt8](repeating: 0, count: min(Batch.headerSize, max(0, allocated - content.count)))
        if !WholeFile.write(zeros, to: descriptor, at: content.count)
            || ftruncate(descriptor, off_t(allocated)) != 0
        {
            isSuspect = true
        }
    }

    // MARK: Room

    /// Grows the file, by more than it needs if possible. If the file may not grow so far though the disk has room,
    /// each batch grows the file as it can.
    private mutating func grow(for end: Int, leaving room: Int) throws(StorageError) {
        var failure: Int32 = 0
        for size in [end + room + (room > 0 ? min(Self.stride, room) : Self.stride), end + room] {
            failure = allocate(size)
            if failure == 0 {
                lacksRoom = false
                return
            }
        }
        lacksRoom = Self.isLackOfRoom(failure)
        if room > 0, lacksRoom { throw .system("write", path, failure) }
    }

    private static func isLackOfRoom(_ code: Int32) -> Bool { code == ENOSPC || code == EDQUOT }

    /// Gives the file `size` bytes. Returns 0, or the error.
    private mutating func allocate(_ size: Int) -> Int32 {
        var failure: Int32 = 0
        if syncs {
            // A sync is cheapest for blocks that were written before.
            let zeros = [UInt8](repeating: 0, count: size - allocated)
            if !WholeFile.write(zeros, to: descriptor, at: allocated) { failure = errno }
        } else {
            failure = posix_fallocate(descriptor, off_t(allocated), off_t(size - allocated))
        }
        if failure == 0 { allocated = size } else { ftruncate(descriptor, off_t(allocated)) }
        return failure
    }

    // MARK: The file

    private mutating func makeSound() throws(StorageError) {
        if !isSuspect { return }
        // A journal that syncs is made again: its bytes in memory may differ from those on the disk.
        if isNew, !syncs, takeOver() { return }
        do throws(StorageError) { try renew() } catch {
            if isNew, takeOver() { return }
            throw error
        }
        isNew = false
    }

    private mutating func renew() throws(StorageError) {
        // If another program's file has the name, do not overwrite it.
        if let stranger = files.stranger(under: path, besides: .journal) { throw StorageError(stranger) }
        let draft = StoreFiles.draft(of: path)
        let fresh = try files.openDraft(of: path)
        do throws(StorageError) {
            guard WholeFile.write(content, to: fresh, at: 0) else {
                lacksRoom = Self.isLackOfRoom(errno)
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
        allocated = content.count
        (isSuspect, mayHoldRefused) = (false, false)
    }

    /// Goes on with the file of an earlier daemon, which has room already. False if the file has changed since it was
    /// read.
    private mutating func takeOver() -> Bool {
        let file = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { return false }
        guard let found = try? WholeFile.read(file, path), found.starts(with: content),
            let same = try? FileIdentity(file, path), same.problem(at: path) == nil,
            // The system may have dropped bytes at a failed sync, so write them again. A power cut may have left later
            // batches after a gap. The next batch would close the gap, so overwrite them with zeros.
            WholeFile.write(content + [UInt8](repeating: 0, count: found.count - content.count), to: file, at: 0),
            !syncs || fdatasync(file) == 0 && (try? StoreFiles.syncFolder(of: path)) != nil
        else {
            Glibc.close(file)
            return false
        }
        descriptor = file
        identity = same
        identity?.size = content.count
        allocated = found.count
        (isNew, isSuspect, mayHoldRefused) = (false, false, false)
        return true
    }
}
