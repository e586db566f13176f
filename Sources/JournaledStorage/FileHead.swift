// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// The beginning of a regular file. It shows which program the file belongs to.
public final class FileHead {
    private let descriptor: Int32

    /// The size of one read. A journal shows within this size that it is a journal.
    private static let piece = 1 << 20

    /// Nil if the file cannot be opened.
    init?(_ path: String) {
        descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        if descriptor < 0 { return nil }
    }

    deinit { close(descriptor) }

    /// The size of the whole file; nil if the system does not tell.
    public var size: Int? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int(status.st_size) : nil
    }

    /// Whether the file is a journal. It begins with a batch or a part of one, or with zeros after a power cut. Or its
    /// first batch is damaged, and other batches follow it.
    var isJournal: Bool {
        guard let (bytes, _) = first(Self.piece) else { return true }
        if Self.isZero(bytes.prefix(Batch.headerSize)) || Batch.magic.starts(with: bytes) { return true }
        return bytes.indices.contains { bytes[$0] == Batch.magic[0] && Batch.begins(bytes[$0...]) }
    }

    var beginsWithBatch: Bool { first(Batch.magic.count).map { Batch.begins($0.bytes[...]) } ?? false }

    /// Whether the file can be a lock: it holds a process number, or nothing.
    var isLock: Bool {
        guard let (bytes, _) = first(64) else { return true }
        return bytes.count < 32 && bytes.allSatisfy { $0 == 0 || $0 == 10 || (48...57).contains($0) }
    }

    /// Whether all bytes are zeros, as a power cut may leave them.
    public static func isZero(_ bytes: some Collection<UInt8>) -> Bool { bytes.allSatisfy { $0 == 0 } }

    /// The first bytes, and whether they are the whole file. Nil if they cannot be read.
    public func first(_ limit: Int) -> (bytes: [UInt8], isAll: Bool)? {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: min(limit, Self.piece))
        while bytes.count < limit {
            let count = pread(descriptor, &piece, min(piece.count, limit - bytes.count), off_t(bytes.count))
            if count < 0 { return nil }
            if count == 0 { return (bytes, true) }
            bytes += piece[..<count]
        }
        return (bytes, false)
    }
}
