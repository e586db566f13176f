// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// Decides which batches the storage accepts while the disk is full, or nearly full. Batches that free room must always
/// work.
///
/// Only the folding thread uses `reserve`. The mutex of ``Folding`` guards everything else.
struct DiskRoom {
    let reserve: Reserve
    private let files: StoreFiles
    /// Whether changes that cannot be stored stay in memory. Then no change is refused.
    private let keepsUnsaved: Bool
    /// The reason for refusing batches that free no room; nil while there is room.
    private(set) var fullness: StorageError?
    /// The bytes that a fold could use at the last look.
    private var roomForFolds = 0

    init(_ files: StoreFiles, keepsUnsaved: Bool) {
        self.files = files
        self.keepsUnsaved = keepsUnsaved
        reserve = Reserve(files)
    }

    /// Looks at the room for folds.
    mutating func look() { roomForFolds = reserve.bytesForFolds }

    /// Refuses a batch if the disk is full, or if the journals might not fit into the table. `need` is the room that a
    /// fold needs.
    mutating func refuseIfFull(need: Int) throws(StorageError) {
        if keepsUnsaved { return }
        if fullness == nil, need > roomForFolds { fullness = .system("keep room for", files.table, ENOSPC) }
        if let fullness { throw fullness }
    }

    /// Remembers that a batch lacked room.
    mutating func noteRefusal(_ error: StorageError) {
        if !reserve.isPlenty { fullness = fullness ?? error }
    }

    /// Remembers that a fold lacked room.
    mutating func noteFullDisk(_ error: StorageError) {
        if !keepsUnsaved { fullness = error }
    }

    /// Whether there is room again, for the reserve and for a fold that needs this many bytes.
    func hasRoom(need: Int) -> Bool { reserve.take() && reserve.isPlenty && need <= roomForFolds }

    /// Accepts all batches again.
    mutating func forgetFullness() { fullness = nil }

    /// The bytes that a journal keeps free after its end, for changes that free room.
    var ofJournal: Int { reserve.roomOfJournal }

    /// The bytes that must stay free in a journal after this batch, for batches that matter more.
    func after(_ batch: Batch) -> Int {
        keepsUnsaved || batch.removes ? 0 : batch.isOfPeers ? ofJournal / 2 : ofJournal
    }
}
