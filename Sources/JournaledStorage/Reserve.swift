// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// Room on the disk that nobody else can take, so that what frees room works on a full one.
///
/// Journals have theirs after what is in them. This is the table's: a file without a name holds it, and lets
/// go of it when a fold lacks room.
final class Reserve {
    private let files: StoreFiles
    /// Bytes that are to be held.
    private let size: Int
    private var descriptor: Int32 = -1

    private static let most = 4 << 20
    private static let least = 64 << 10
    /// Of a small disk it takes a small part.
    private static let share = 8

    init(_ files: StoreFiles) {
        self.files = files
        size = max(Self.least, min(Self.most, (Disk.space(in: files.folder)?.all ?? .max) / Self.share))
    }

    /// What a journal keeps after its end for changes that free room.
    var roomOfJournal: Int { size / 8 }

    /// Bytes that a fold may use: those that are held, and those that nobody uses.
    var bytesForFolds: Int {
        let (sum, isMuch) = (descriptor >= 0 ? size : 0).addingReportingOverflow(bytesForOthers)
        return isMuch ? .max : sum
    }

    /// Bytes of the disk that nobody uses.
    var bytesForOthers: Int { Disk.space(in: files.folder)?.free ?? .max }

    /// Whether the disk has as much for others as is to be held here: less is soon gone.
    var isPlenty: Bool { bytesForOthers >= size }

    /// Takes room if there is any. False with `errno` set if there is none.
    func take() -> Bool {
        if descriptor >= 0 { return true }
        guard let file = try? files.openDraft(of: files.reserve) else { return false }
        unlink(StoreFiles.draft(of: files.reserve))
        let code = posix_fallocate(file, 0, off_t(size))
        if code == 0 {
            descriptor = file
        } else {
            close(file)
            errno = code
        }
        return code == 0
    }

    /// Lets go of the room.
    func release() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}
