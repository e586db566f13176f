// SPDX-License-Identifier: Apache-2.0
#if TDB
    import CLinux
    import Glibc
    import XenStoreKernel

    /// The files that a store is made of: the table, which is the TDB file, and beside it the two
    /// journals of what is not in the table yet, and the lock.
    struct StoreFiles: Sendable {
        let table: String

        var lock: String { table + ".lock" }
        var journals: [String] { [table + ".journal-0", table + ".journal-1"] }
        /// Where a repaired table is made.
        var repaired: String { table + ".repaired" }
        /// The file of this name has it for a moment only, as its room is what is needed.
        var reserve: String { table + ".reserve" }
        /// Where all of them are, with a slash at the end.
        var folder: String { table.lastIndex(of: "/").map { String(table[...$0]) } ?? "." }
        /// What the files of a store that is in use are called in their folder.
        var names: Set<String> { Set(([table, lock] + journals).map { String($0.dropFirst(folder.count)) }) }

        /// Whether they are, or would be made, on a file system that loses all when the host stops.
        var isInMemory: Bool {
            var folder = self.folder
            while folder.count > 1, access(folder, F_OK) != 0 {
                folder = StoreFiles(table: String(folder.dropLast())).folder
            }
            var status = statfs()
            let magics = [0x0102_1994, 0x8584_58f6]  // tmpfs and ramfs
            return statfs(folder, &status) == 0 && magics.contains(Int(status.f_type))
        }

        /// Where a file is written before it takes its place.
        static func draft(of path: String) -> String { path + ".new" }

        /// Makes the draft of a file, in place of one that was never finished.
        static func openDraft(of path: String) throws(StorageError) -> Int32 {
            let draft = draft(of: path)
            if let stranger = Stranger.under(draft, besides: .draft) { throw StorageError(stranger) }
            unlink(draft)
            let descriptor = open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw .system("make", draft) }
            return descriptor
        }

        /// Folders above the table, as far as they are missing.
        func makeFolder() throws(StorageError) { try Self.makeFolder(above: table) }

        private static func makeFolder(above path: String) throws(StorageError) {
            guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return }
            let folder = String(path[..<slash])
            if access(folder, F_OK) == 0 { return }
            try makeFolder(above: folder)
            if mkdir(folder, 0o755) != 0, errno != EEXIST { throw .system("make the folder", folder) }
        }

        /// Makes names in the folder of `path` outlive a power cut.
        static func syncFolder(of path: String) throws(StorageError) {
            let folder = StoreFiles(table: path).folder
            let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else { throw .system("open", folder) }
            defer { close(descriptor) }
            guard fsync(descriptor) == 0 else { throw .system("sync", folder) }
        }
    }

    /// Which file stands behind a name, so that it is noticed when another takes its place or it loses
    /// what it had.
    struct FileIdentity {
        private let device: dev_t
        private let inode: ino_t
        /// Bytes that it has at least.
        var size: Int

        init(_ descriptor: Int32, _ path: String) throws(StorageError) {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw .system("look at", path) }
            device = status.st_dev
            inode = status.st_ino
            size = Int(status.st_size)
        }

        enum Problem {
            /// There is no such file any more, or it cannot be looked at.
            case vanished(Int32)
            case replaced
            case truncated(missing: Int)
        }

        /// What has happened to the file behind our back.
        func problem(at path: String) -> Problem? {
            var status = stat()
            guard stat(path, &status) == 0 else { return .vanished(errno) }
            if status.st_dev != device || status.st_ino != inode { return .replaced }
            if status.st_size < size { return .truncated(missing: size - Int(status.st_size)) }
            return nil
        }
    }

    /// Keeps a second daemon away from a store for as long as it lives.
    final class StoreLock {
        private let files: StoreFiles
        private var descriptor: Int32
        private var identity: FileIdentity

        enum Failure: Error {
            /// Another daemon has it.
            case held(StorageError)
            case system(StorageError)

            var error: StorageError {
                switch self {
                case .held(let error), .system(let error): error
                }
            }
        }

        init(_ files: StoreFiles) throws(Failure) {
            self.files = files
            (descriptor, identity) = try Self.take(files)
        }

        /// Takes the lock again if somebody has removed its file, or fails if another daemon was faster.
        func renew() throws(StorageError) {
            if identity.problem(at: files.lock) == nil { return }
            do throws(Failure) {
                let old = descriptor
                (descriptor, identity) = try Self.take(files)
                close(old)
            } catch {
                throw error.error
            }
        }

        private static func take(_ files: StoreFiles) throws(Failure) -> (Int32, FileIdentity) {
            let file = open(files.lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw .system(.system("open", files.lock)) }
            guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
                let failure = errno
                let holder = Self.holder(file).map { ", process \($0)," } ?? ""
                close(file)
                if failure != EWOULDBLOCK { throw .system(.system("lock", files.lock, failure)) }
                throw .held(StorageError("another daemon\(holder) uses '\(files.table)'"))
            }
            ftruncate(file, 0)
            let text = Array("\(getpid())\n".utf8)
            pwrite(file, text, text.count, 0)
            let identity: FileIdentity
            do throws(StorageError) { identity = try FileIdentity(file, files.lock) } catch {
                close(file)
                throw .system(error)
            }
            if identity.problem(at: files.lock) == nil { return (file, identity) }
            // It was removed by the one who had it before us, and keeps nobody away any more.
            close(file)
            return try take(files)
        }

        /// Removes the file, for those who leave nothing behind. The lock lasts on.
        func removeFile() { unlink(files.lock) }

        deinit {
            // Not left to closing: a process that is just being started may have the descriptor, too.
            flock(descriptor, LOCK_UN)
            close(descriptor)
        }

        private static func holder(_ descriptor: Int32) -> Int? {
            var text = [UInt8](repeating: 0, count: 20)
            let count = pread(descriptor, &text, text.count, 0)
            return count > 0 ? Int(String(decoding: text.prefix(count).prefix { $0 > 32 }, as: UTF8.self)) : nil
        }
    }

    extension StorageError {
        init(_ stranger: Stranger) { self.init("\(stranger); it is left as it is") }

        /// What the system has refused, on which file, and why.
        static func system(_ doing: String, _ path: String, _ code: Int32 = errno) -> StorageError {
            StorageError("can't \(doing) '\(path)': \(String(cString: strerror(code)))")
        }
    }

    /// The system calls that move many bytes, until all are moved.
    enum WholeFile {
        /// Writes all the bytes, or returns false with `errno` set.
        static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int) -> Bool {
            var done = 0
            while done < bytes.count {
                let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
                if count < 0, errno == EINTR { continue }
                if count <= 0 { return false }
                done += count
            }
            return true
        }

        static func write(_ bytes: [UInt8], to descriptor: Int32, at offset: Int) -> Bool {
            bytes.withUnsafeBytes { write($0, to: descriptor, at: offset) }
        }

        /// The whole of a file. It may be of any length and change while it is read.
        static func read(_ descriptor: Int32, _ path: String) throws(StorageError) -> [UInt8] {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw .system("look at", path) }
            var failure: Int32 = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { buffer, filled in
                while filled < buffer.count {
                    let count = pread(descriptor, buffer.baseAddress! + filled, buffer.count - filled, off_t(filled))
                    if count < 0, errno == EINTR { continue }
                    if count < 0 { failure = errno }
                    if count <= 0 { return }
                    filled += count
                }
            }
            if failure != 0 { throw .system("read", path, failure) }
            return bytes
        }

        /// The text of a file whose length the system does not tell, as of those in /proc.
        static func readText(_ path: String) throws(StorageError) -> String {
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw .system("open", path) }
            defer { close(descriptor) }
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = Glibc.read(descriptor, &bytes, bytes.count)
            guard count >= 0 else { throw .system("read", path) }
            return String(decoding: bytes[..<count], as: UTF8.self)
        }

        /// The whole of the file of this name; nil if there is none.
        static func read(_ path: String) throws(StorageError) -> [UInt8]? {
            let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            if descriptor < 0, errno == ENOENT { return nil }
            guard descriptor >= 0 else { throw .system("open", path) }
            defer { close(descriptor) }
            return try read(descriptor, path)
        }
    }
#endif
