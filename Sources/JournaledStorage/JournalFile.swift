// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// One of a store's two journals: batches that are not in the table yet, one after the other.
///
/// A batch is safe from the daemon's death when it is written, and from the host's when it is synced.
/// A journal is emptied without touching the file: the batch that is written at its beginning next
/// has a number that tells it from the older ones after it. The file is longer than what is in it: it
/// keeps room for changes that free room when the disk is full, and a sync finds no file that has just
/// grown, which costs the file system a commit of its own.
struct JournalFile {
    let path: String
    private let files: StoreFiles
    /// What the file begins with, as far as it counts.
    private(set) var content: [UInt8]
    /// What the batches in it come to with whole keys.
    private(set) var weight: Int
    private var descriptor: Int32 = -1
    private var identity: FileIdentity?
    /// The file may not hold what it should. It is written again before anything is added.
    private(set) var isSuspect = true
    /// The file may hold a batch that was refused, or hold it again after a power cut: of this daemon's, or of
    /// one that was killed.
    private var mayHoldRefused = true
    /// The file of the daemon before this one has not been looked for yet.
    private var isNew = true
    private let syncs: Bool

    /// Bytes that the file has.
    private var allocated = 0
    /// The last batch that was refused lacked room on the disk.
    private(set) var lacksRoom = false

    /// An emptied file is cut to this, so that one that was large once does not stay so.
    private static let spareSize = 16 << 20
    /// An emptied journal that was larger than this gives its memory back.
    private static let spareMemory = 1 << 20
    /// Below this a journal does not grow step by step.
    private static let usualLeast = 256 << 10
    /// A journal is seldom larger than this, as commits wait then.
    private static let usualMost = 68 << 20
    /// What a journal grows by at most.
    private static let stride = 1 << 20

    init(path: String, of files: StoreFiles, content: [UInt8], weight: Int, syncs: Bool) {
        self.path = path
        self.files = files
        self.content = content
        self.weight = weight
        self.syncs = syncs
    }

    /// Adds a batch, all of it or nothing. One that needs no sync is safe from a power cut with the next
    /// that does, if the journal is one that syncs. `room` bytes stay free after the batch; if a full disk
    /// does not let them, the batch is refused.
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
            // What the system could not write it may have dropped: it must be given all of it again.
            isSuspect = true
            mayHoldRefused = true
            throw .system("sync", path, failure)
        }
        add(batch)
        identity?.size = content.count
    }

    /// Growing a large array by doubling would copy tens of megabytes while everybody waits. Memory that is
    /// reserved takes none until it is used.
    private mutating func add(_ batch: Batch) {
        let end = content.count + batch.bytes.count
        if end > Self.spareMemory, content.capacity < Self.usualMost { content.reserveCapacity(Self.usualMost) }
        if content.capacity < Self.usualLeast { content.reserveCapacity(Self.usualLeast) }
        content.append(contentsOf: batch.bytes)
        weight += batch.weight
    }

    /// Makes sure that no batch is left in the file that was refused. To be called before the other journal of a
    /// store that syncs is given a batch: that has the number of the one that was refused, and a store of
    /// which both journals hold a batch of one number is damaged.
    mutating func forgetRefused() throws(StorageError) {
        if !mayHoldRefused { return }
        if syncs, access(path, F_OK) == 0 {
            isSuspect = true
            try makeSound()
        }
        mayHoldRefused = false
    }

    /// Adds a batch that could not be written. It is in memory only, until the file can be written again.
    mutating func keep(_ batch: Batch) {
        add(batch)
        isSuspect = true
    }

    /// All of it is in the table.
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

    /// What somebody else has done to the file; nil if nothing. If something, the file is written again before
    /// anything is added.
    mutating func look() -> FileIdentity.Problem? {
        guard let problem = identity?.problem(at: path) else { return nil }
        isSuspect = true
        return problem
    }

    /// Sees to it that the file holds what it should, and room for so many bytes more if there is any.
    mutating func restore(leaving room: Int) throws(StorageError) {
        try makeSound()
        if content.count + room > allocated { try grow(for: content.count, leaving: room) }
    }

    /// The next daemon must not find a batch that was refused. The file keeps the room of its bytes.
    private mutating func retract() {
        let zeros = [UInt8](repeating: 0, count: min(Batch.headerSize, max(0, allocated - content.count)))
        if !WholeFile.write(zeros, to: descriptor, at: content.count)
            || ftruncate(descriptor, off_t(allocated)) != 0
        {
            isSuspect = true
        }
    }

    // MARK: Room

    /// Has the file grow, by more than is needed if it can be. Where the disk is not full, and still the file
    /// may not grow so far, batches make it grow as they can.
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

    /// Gives the file that many bytes, and returns 0, or why that failed.
    private mutating func allocate(_ size: Int) -> Int32 {
        var failure: Int32 = 0
        if syncs {
            // Blocks that were written before cost a sync least.
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
        // A file that syncs is rather made again: what is in it need not be what is on the disk.
        if isNew, !syncs, takeOver() { return }
        do throws(StorageError) { try renew() } catch {
            if isNew, takeOver() { return }
            throw error
        }
        isNew = false
    }

    private mutating func renew() throws(StorageError) {
        // Something else may have taken the name: it is not ours to overwrite.
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

    /// Goes on in the file that the daemon before this one has left, with the room that it has. False if it is
    /// not what it was when it was read.
    private mutating func takeOver() -> Bool {
        let file = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { return false }
        guard let found = try? WholeFile.read(file, path), found.starts(with: content),
            let same = try? FileIdentity(file, path), same.problem(at: path) == nil,
            // What a failed sync has dropped must be given to the system again. After what counts may be
            // batches that power loss has cut off from it: they would continue what is written next.
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
