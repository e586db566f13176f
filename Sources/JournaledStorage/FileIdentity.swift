// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// The identity of an open file. It shows when another file takes the name, or when the file loses bytes.
struct FileIdentity {
    private let device: dev_t
    private let inode: ino_t
    /// The smallest size that the file must have.
    var size: Int

    init(_ descriptor: Int32, _ path: String) throws(StorageError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("look at", path) }
        device = status.st_dev
        inode = status.st_ino
        size = Int(status.st_size)
    }

    enum Problem {
        /// The file does not exist any more, or the system does not let us look at it.
        case vanished(Int32)
        case replaced
        case truncated(missing: Int)
    }

    /// What another program has done to the file.
    func problem(at path: String) -> Problem? {
        var status = stat()
        guard stat(path, &status) == 0 else { return .vanished(errno) }
        if status.st_dev != device || status.st_ino != inode { return .replaced }
        if status.st_size < size { return .truncated(missing: size - Int(status.st_size)) }
        return nil
    }

    /// Whether the open file still has all its bytes, even if its name is gone.
    func isWhole(_ descriptor: Int32) -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && Int(status.st_size) >= size
    }
}

extension StorageError {
    init(_ stranger: Stranger) { self.init("\(stranger); it is left as it is") }

    /// An error of a system call on a file.
    public static func system(_ doing: String, _ path: String, _ code: Int32 = errno) -> StorageError {
        StorageError("can't \(doing) '\(path)': \(String(cString: strerror(code)))")
    }

    /// An error for something that another program has done to a file.
    static func happened(_ problem: FileIdentity.Problem, to path: String) -> StorageError {
        switch problem {
        case .vanished(let code): .system("find", path, code)
        case .replaced: StorageError("'\(path)' has been replaced by another file")
        case .truncated(let missing): StorageError("'\(path)' has been truncated: \(missing) bytes are missing")
        }
    }
}
