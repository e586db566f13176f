// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// Reads and writes many bytes. Repeats the system calls until all bytes are moved.
public enum WholeFile {
    /// Writes all the bytes, or returns false with `errno` set.
    public static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return false }
            done += count
        }
        return true
    }

    /// Writes all the bytes, or returns false with `errno` set.
    public static func write(_ bytes: [UInt8], to descriptor: Int32, at offset: Int) -> Bool {
        bytes.withUnsafeBytes { write($0, to: descriptor, at: offset) }
    }

    /// The whole content of a file. The file may be of any size, and may change meanwhile.
    public static func read(_ descriptor: Int32, _ path: String) throws(StorageError) -> [UInt8] {
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

    /// The text of a file whose size the system does not tell, such as those in /proc.
    static func readText(_ path: String) throws(StorageError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", path) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw .system("read", path) }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// The whole content of the file with this name; nil if there is none.
    public static func read(_ path: String) throws(StorageError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { return nil }
        guard descriptor >= 0 else { throw .system("open", path) }
        defer { close(descriptor) }
        return try read(descriptor, path)
    }
}
