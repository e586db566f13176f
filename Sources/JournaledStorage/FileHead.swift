// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// What a regular file begins with tells whose it is.
public final class FileHead {
    private let descriptor: Int32

    /// What is read at once. A journal shows within this what it is.
    private static let piece = 1 << 20

    /// Nil if the file cannot be opened.
    init?(_ path: String) {
        descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        if descriptor < 0 { return nil }
    }

    deinit { close(descriptor) }

    /// Bytes of the whole file; nil if the system does not tell.
    public var size: Int? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int(status.st_size) : nil
    }

    /// It begins with a batch or a piece of one, or with zeros that power loss has left in its place; or there
    /// are others after the first one, which is damaged.
    var isJournal: Bool {
        guard let (bytes, _) = first(Self.piece) else { return true }
        if Self.isZero(bytes.prefix(Batch.headerSize)) || Batch.magic.starts(with: bytes) { return true }
        return bytes.indices.contains { bytes[$0] == Batch.magic[0] && Batch.begins(bytes[$0...]) }
    }

    var beginsWithBatch: Bool { first(Batch.magic.count).map { Batch.begins($0.bytes[...]) } ?? false }

    /// It holds the number of a process, or nothing.
    var isLock: Bool {
        guard let (bytes, _) = first(64) else { return true }
        return bytes.count < 32 && bytes.allSatisfy { $0 == 0 || $0 == 10 || (48...57).contains($0) }
    }

    /// Whether there are only zeros, as power loss may leave them.
    public static func isZero(_ bytes: some Collection<UInt8>) -> Bool { bytes.allSatisfy { $0 == 0 } }

    /// The first bytes, and whether there are no others. Nil if they cannot be read.
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
