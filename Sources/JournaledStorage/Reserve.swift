// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// Room on the disk that no other program can take, so changes that free room work on a full disk.
///
/// Journals keep their own room after their content. This is the room of the table. A file without a name holds it, and
/// gives it up when a fold lacks room.
final class Reserve {
    private let files: StoreFiles
    /// The size of the reserve.
    private let size: Int
    private var descriptor: Int32 = -1

    private static let most = 4 << 20
    private static let least = 64 << 10
    /// The reserve takes at most this part of a small disk.
    private static let share = 8

    init(_ files: StoreFiles) {
        self.files = files
        size = max(Self.least, min(Self.most, (Disk.space(in: files.folder)?.all ?? .max) / Self.share))
    }

    /// The room that a journal keeps after its end, for changes that free room.
    var roomOfJournal: Int { size / 8 }

    /// The bytes that a fold may use: those of the reserve, and the free bytes of the disk.
    var bytesForFolds: Int {
        let (sum, isMuch) = (descriptor >= 0 ? size : 0).addingReportingOverflow(bytesForOthers)
        return isMuch ? .max : sum
    }

    /// The free bytes of the disk.
    var bytesForOthers: Int { Disk.space(in: files.folder)?.free ?? .max }

    /// Whether the disk has as much free room as the reserve is large. Less would soon be gone.
    var isPlenty: Bool { bytesForOthers >= size }

    /// Takes the room if possible. Otherwise returns false with `errno` set.
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

    /// Gives up the room.
    func release() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}
