// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// The file that holds the daemon's process id. Its lock tells that the daemon is alive.
///
/// The lock also excludes C xenstored, which takes a POSIX lock.
final class PidFile {
    let path: String
    private let descriptor: Int32

    enum Failure: Error {
        /// A living daemon has locked the file. `pid` is its process id, if the file already has it.
        case isHeld(path: String, pid: String?)
        case system(SystemError)
    }

    /// Creates and locks the file. The file stays empty until ``write()``, because start scripts read a process id in
    /// it as the sign that the daemon serves.
    init(_ path: String) throws(Failure) {
        self.path = path
        descriptor = try Self.openLocked(path)
        ftruncate(descriptor, 0)
    }

    deinit {
        remove()
        close(descriptor)
    }

    /// Writes the process id.
    func write() throws(SystemError) {
        let line = Array("\(getpid())\n".utf8)
        guard pwrite(descriptor, line, line.count, 0) == line.count else {
            throw SystemError(errno, doing: "write the pid file '\(path)'")
        }
    }

    /// Removes the file, if it is still this one. Somebody may have removed it, and another daemon may have made a new
    /// one.
    func remove() {
        if Self.isStill(path, descriptor) { unlink(path) }
    }

    private static func openLocked(_ path: String) throws(Failure) -> Int32 {
        // Early after a boot the folder may not exist yet.
        Process.makeFolder(above: path)
        while true {
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0o644)
            guard descriptor >= 0 else { throw .system(SystemError(errno, doing: "open the pid file '\(path)'")) }
            guard isRegular(descriptor) else {
                close(descriptor)
                throw .system(
                    SystemError(
                        EINVAL, doing: "use the pid file '\(path)'",
                        advice: "it is not a regular file; remove it or choose another path"))
            }
            var whole = flock()
            whole.l_type = Int16(F_WRLCK)
            whole.l_whence = Int16(SEEK_SET)
            guard fcntl(descriptor, linux_ofd_setlk, &whole) == 0 else {
                let failure = errno
                let pid = content(of: descriptor)
                close(descriptor)
                if failure == EAGAIN || failure == EACCES { throw .isHeld(path: path, pid: pid) }
                throw .system(SystemError(failure, doing: "lock the pid file '\(path)'"))
            }
            if isStill(path, descriptor) { return descriptor }
            // Another daemon has ended between our open and our lock, and has removed the file.
            close(descriptor)
        }
    }

    private static func isRegular(_ descriptor: Int32) -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    private static func isStill(_ path: String, _ descriptor: Int32) -> Bool {
        var named = stat()
        var held = stat()
        return lstat(path, &named) == 0 && fstat(descriptor, &held) == 0
            && named.st_dev == held.st_dev && named.st_ino == held.st_ino
    }

    private static func content(of descriptor: Int32) -> String? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        let digits = bytes.prefix(max(0, count)).prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
        return digits.isEmpty ? nil : String(decoding: digits, as: UTF8.self)
    }
}
