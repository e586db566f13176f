// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// Decides which batches are taken while the disk is full, or nearly so: what frees room must always work.
///
/// `reserve` is the thread's that folds; everything else is guarded by the mutex of ``Folding``.
struct DiskRoom {
    let reserve: Reserve
    private let files: StoreFiles
    /// The operator wants changes kept in memory that cannot be stored: none is refused.
    private let keepsUnsaved: Bool
    /// Why batches are refused that do not free room, until there is room again.
    private(set) var fullness: StorageError?
    /// Bytes that a fold could use when that was last looked at.
    private var roomForFolds = 0

    init(_ files: StoreFiles, keepsUnsaved: Bool) {
        self.files = files
        self.keepsUnsaved = keepsUnsaved
        reserve = Reserve(files)
    }

    /// Looks how much room there is for folds.
    mutating func look() { roomForFolds = reserve.bytesForFolds }

    /// Refuses a batch if the disk is full, or if what is in the journals might not fit into the table: what frees
    /// room comes after it. `need` is what a fold needs.
    mutating func refuseIfFull(need: Int) throws(StorageError) {
        if keepsUnsaved { return }
        if fullness == nil, need > roomForFolds { fullness = .system("keep room for", files.table, ENOSPC) }
        if let fullness { throw fullness }
    }

    /// A batch could not be written because there was no room.
    mutating func noteRefusal(_ error: StorageError) {
        if !reserve.isPlenty { fullness = fullness ?? error }
    }

    /// A fold has found no room.
    mutating func noteFullDisk(_ error: StorageError) {
        if !keepsUnsaved { fullness = error }
    }

    /// Whether there is room again, for the reserve and for a fold that needs so much.
    func hasRoom(need: Int) -> Bool { reserve.take() && reserve.isPlenty && need <= roomForFolds }

    /// All batches are taken again.
    mutating func forgetFullness() { fullness = nil }

    /// Bytes that a journal keeps free after its end for changes that free room.
    var ofJournal: Int { reserve.roomOfJournal }

    /// Bytes that must stay free in a journal after this batch, for batches that count more.
    func after(_ batch: Batch) -> Int {
        keepsUnsaved || batch.removes ? 0 : batch.isOfPeers ? ofJournal / 2 : ofJournal
    }
}
