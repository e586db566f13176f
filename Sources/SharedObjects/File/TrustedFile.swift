// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// An open file that only root, or the user that the daemon runs as, can have changed: itself, its folder, and all
/// folders above. No part of its path is a link. So nobody can put another file in its place, and what was checked is
/// what is loaded.
final class TrustedFile {
    let path: String
    let descriptor: Int32

    /// Why a file is not opened, as a message says it after the name.
    struct Refusal: Error {
        let text: String
    }

    /// Opens the file. `trustsAnyFolder`: an author who tries a plugin may have it
    /// anywhere.
    init(_ path: String, trustsAnyFolder: Bool = false) throws(Refusal) {
        guard path.hasPrefix("/") else { throw Refusal(text: "must be an absolute path") }
        self.path = path
        descriptor = try TrustedFile.open(path, trustsAnyFolder)
    }

    deinit { close(descriptor) }

    private static func open(_ path: String, _ trustsAnyFolder: Bool) throws(Refusal) -> Int32 {
        let names = path.split(separator: "/").filter { $0 != "." }
        guard let last = names.last, last != ".." else { throw Refusal(text: "is a folder; name a file in it") }
        var folder = Glibc.open("/", linux_o_path | O_DIRECTORY | O_CLOEXEC)
        defer { close(folder) }
        var folderPath = "/"
        if !trustsAnyFolder { try check(folder, folderPath, isFolder: true) }
        for name in names.dropLast() {
            folderPath += (folderPath == "/" ? "" : "/") + name
            let next = try openat(folder, String(name), folderPath, linux_o_path | O_DIRECTORY)
            close(folder)
            folder = next
            if !trustsAnyFolder { try check(folder, folderPath, isFolder: true) }
        }
        // A device could do something when it is opened, and a pipe could wait.
        let file = try openat(folder, String(last), path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
        do throws(Refusal) {
            try check(file, path, isFolder: false, trustsAnybody: trustsAnyFolder)
            return file
        } catch {
            close(file)
            throw error
        }
    }

    private static func openat(_ folder: Int32, _ name: String, _ path: String, _ flags: Int32) throws(Refusal) -> Int32
    {
        let descriptor = Glibc.openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC)
        if descriptor >= 0 { return descriptor }
        let code = errno
        var status = stat()
        let isLink = fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_mode & S_IFMT == S_IFLNK
        throw Refusal(
            text: isLink
                ? "'\(path)' is a link, which somebody could change; name the file itself"
                : "cannot open '\(path)': \(String(cString: strerror(code)))")
    }

    private static func check(
        _ descriptor: Int32, _ path: String, isFolder: Bool, trustsAnybody: Bool = false
    ) throws(Refusal) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw Refusal(text: "cannot look at '\(path)': \(String(cString: strerror(errno)))")
        }
        if !isFolder, status.st_mode & S_IFMT == S_IFDIR { throw Refusal(text: "is a folder; name a file in it") }
        if !isFolder, status.st_mode & S_IFMT != S_IFREG { throw Refusal(text: "is not a regular file") }
        if trustsAnybody { return }
        let what = isFolder ? "the folder '\(path)'" : "'\(path)'"
        guard status.st_uid == 0 || status.st_uid == geteuid() else {
            throw Refusal(text: "\(what) belongs to user \(status.st_uid); it must belong to root")
        }
        if status.st_mode & 0o022 != 0 {
            let mode = String(status.st_mode & 0o7777, radix: 8)
            throw Refusal(text: "others can write \(what) (mode 0\(mode)); only root may")
        }
    }

    // MARK: Reading

    var size: Int {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
    }

    /// The bytes at this place; nil if the file has fewer.
    func bytes(at offset: UInt64, count: Int) -> [UInt8]? {
        guard count >= 0, offset <= UInt64(size), UInt64(count) <= UInt64(size) - offset else { return nil }
        var bytes = [UInt8](repeating: 0, count: count)
        return pread(descriptor, &bytes, count, off_t(offset)) == count ? bytes : nil
    }
}
