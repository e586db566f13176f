// SPDX-License-Identifier: Apache-2.0
#if TDB
    import CLinux
    import CTDB
    import Glibc
    import JournaledStorage
    import XenStorePlugin

    /// A private copy of a table in memory, without an unfinished transaction.
    ///
    /// libtdb trusts bytes that its own locks protect. A file may be damaged, so this first checks everything that
    /// libtdb takes for granted.
    final class TableImage {
        private let descriptor: Int32
        private(set) var byteCount: Int
        /// Whether a daemon died in the middle of a transaction.
        private(set) var wasInterrupted = false
        /// Whether the copy differs from the file: a transaction has left bytes that do not count.
        private(set) var isAltered = false

        /// Copies a file. Waits up to `patience` milliseconds while another process is in the middle of a transaction.
        convenience init(of path: String, patience: Int = 10_000) throws(TableProblem) {
            let file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard file >= 0 else { throw .unreadable(.system("open", path)) }
            defer { close(file) }
            guard FileLock.take(file, F_RDLCK, milliseconds: patience) else {
                throw .unreadable(errno == EAGAIN ? .locked(path) : .system("lock", path))
            }
            try self.init(of: file, path)
        }

        /// Copies an open file that no other process may change.
        init(of file: Int32, _ path: String) throws(TableProblem) {
            var status = stat()
            guard fstat(file, &status) == 0 else { throw .unreadable(.system("look at", path)) }
            guard status.st_size <= UInt32.max else { throw .damaged("it is larger than a TDB file can be") }
            descriptor = memfd_create("sxenstored-table", linux_mfd_cloexec)
            guard descriptor >= 0 else { throw .unreadable(.system("copy", path)) }
            do throws(StorageError) {
                byteCount = try Self.copy(file, Int(status.st_size), to: descriptor, path)
            } catch {
                close(descriptor)
                throw .unreadable(error)
            }
        }

        deinit { close(descriptor) }

        private static func copy(_ file: Int32, _ size: Int, to copy: Int32, _ path: String) throws(StorageError) -> Int
        {
            var done: off_t = 0
            while done < size {
                let count = sendfile(copy, file, &done, size - Int(done))
                if count < 0, errno == EINTR { continue }
                if count < 0 { throw .system("copy", path) }
                if count == 0 { break }
            }
            return Int(done)
        }

        /// All bytes of the copy.
        func bytes() throws(StorageError) -> [UInt8] { try WholeFile.read(descriptor, "the copy of the table") }

        /// Checks the whole table and calls `body` with each record.
        ///
        /// An undone transaction may have left bytes past the old end of the table. Only this method finds them. Then
        /// it calls `startOver`, and again `body` with all records.
        func forEachRecord(
            _ body: @escaping (Bytes, UnsafeRawBufferPointer) -> Void, startOver: () -> Void = {}
        ) throws(TableProblem) {
            var leftovers = try checkHeader()
            do throws(TableProblem) { try visit(body) } catch {
                guard try leftovers.cutToFormerEnd() else { throw error }
                (byteCount, isAltered) = (leftovers.byteCount, true)
                startOver()
                try visit(body)
            }
        }

        private func visit(_ body: @escaping (Bytes, UnsafeRawBufferPointer) -> Void) throws(TableProblem) {
            let name = "/proc/self/fd/\(descriptor)"
            errno = 0
            nonisolated(unsafe) var handle: OpaquePointer?
            LibTDB.opening.withLock { _ in
                handle = tdb_open(name, 0, TDB_NOLOCK | TDB_NOSYNC, O_RDWR | O_CLOEXEC, 0)
            }
            guard let handle else { throw .damaged("libtdb cannot open it: \(String(cString: strerror(errno)))") }
            let visitor = Visitor(body)
            let result = tdb_check(
                handle,
                { key, data, visitor in
                    guard let visitor else { return -1 }
                    Unmanaged<Visitor>.fromOpaque(visitor).takeUnretainedValue().visit(Bytes(key.bytes), data.bytes)
                    return 0
                }, Unmanaged.passUnretained(visitor).toOpaque())
            let reason = tdb_errorstr(handle).map { String(cString: $0) }
            LibTDB.opening.withLock { _ in _ = tdb_close(handle) }
            if result != 0 { throw .damaged("its inner structure is broken (\(reason ?? "libtdb does not say how"))") }
        }

        private final class Visitor {
            let visit: (Bytes, UnsafeRawBufferPointer) -> Void
            init(_ visit: @escaping (Bytes, UnsafeRawBufferPointer) -> Void) { self.visit = visit }
        }

        private func checkHeader() throws(TableProblem) -> Leftovers {
            let layout = TableLayout.self
            guard byteCount > 0 else { throw .damaged("it is empty, as power loss may leave it") }
            guard let header = read(layout.headerSize, at: 0), header.starts(with: layout.magic) else {
                throw .damaged("it does not begin as a TDB file does")
            }
            let version: UInt32 = header.number(at: layout.versionOffset)
            guard version == layout.version else {
                throw .foreign("it is of another version of TDB (\(String(version, radix: 16))), as xenstored's is")
            }
            let hashSize = Int(header.number(at: layout.hashSizeOffset) as UInt32)
            guard hashSize > 0, layout.firstRecord(hashSize: hashSize) <= byteCount else {
                throw .damaged("its header does not fit its \(byteCount) bytes")
            }
            var leftovers = Leftovers(in: descriptor, byteCount)
            defer { (wasInterrupted, isAltered) = (leftovers.isInterrupted, leftovers.isAltered) }
            try leftovers.remove(hashSize: hashSize)
            byteCount = leftovers.byteCount
            return leftovers
        }

        private func read(_ count: Int, at offset: Int) -> [UInt8]? {
            guard count <= byteCount, offset <= byteCount - count else { return nil }
            var bytes = [UInt8](repeating: 0, count: count)
            return pread(descriptor, &bytes, count, off_t(offset)) == count ? bytes : nil
        }
    }

    /// The parts of TDB's file format that the daemon needs before libtdb may see a file.
    enum TableLayout {
        static let magic = Array("TDB file\n".utf8)
        static let version: UInt32 = 0x2601_196d
        static let headerSize = 168
        static let versionOffset = 32
        static let hashSizeOffset = 36
        static let recoveryOffset = 44

        /// The header of a record: next, room, key length, data length, hash, magic.
        static let recordSize = 24
        static let roomOffset = 4
        static let keyLengthOffset = 8
        static let dataLengthOffset = 12
        static let hashOffset = 16
        static let magicOffset = 20

        static let usedMagic: UInt32 = 0x2601_1999
        static let freeMagic = ~usedMagic
        static let deadMagic: UInt32 = 0xfee1_dead
        static let recoveryMagic: UInt32 = 0xf53b_c0e7

        /// The offset after the header, the head of the free list and the heads of the hash chains.
        static func firstRecord(hashSize: Int) -> Int { headerSize + 4 * (hashSize + 1) }

        /// Calls `body` with each piece of the file that an unfinished transaction has replaced. False if the pieces
        /// are invalid, or if `body` returns false.
        static func forEachRecovered(in data: [UInt8], _ body: (Int, ArraySlice<UInt8>) -> Bool) -> Bool {
            var at = 0
            // The last bytes are not a piece, as libtdb sees it.
            while at + 8 < data.count {
                let offset = Int(data.number(at: at) as UInt32)
                let length = Int(data.number(at: at + 4) as UInt32)
                guard length <= data.count - at - 8, body(offset, data[at + 8..<at + 8 + length]) else { return false }
                at += 8 + length
            }
            return true
        }

        /// libtdb's hash of a key.
        static func hash(_ key: UnsafeRawBufferPointer) -> UInt32 {
            var value = 0x238f_13af &* UInt32(truncatingIfNeeded: key.count)
            for (index, byte) in key.enumerated() { value = value &+ UInt32(byte) << UInt32(index &* 5 % 24) }
            return value &* 1_103_515_243 &+ 12345
        }
    }
#endif
