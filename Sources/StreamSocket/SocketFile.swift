// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// The file of a listening socket, from its making to its removal.
struct SocketFile {
    let path: String
    /// The identity of the file. With it the daemon never removes another daemon's file under the same name.
    private let device: dev_t
    private let inode: ino_t

    /// Makes the file for a socket and binds the socket to it. Nobody can connect before the caller listens. By then
    /// the file has its final mode and owner.
    init(binding descriptor: Int32, to settings: SocketSettings) throws(SystemError) {
        let address = try UnixAddress(settings.path)
        let owner = try FileOwner(user: settings.owner, group: settings.group)
        try Self.makeParent(of: settings.path)
        try Self.makeWay(for: address)
        try Self.bind(descriptor, to: address, mode: settings.mode)
        do throws(SystemError) {
            try owner.take(settings.path)
            let status = try Self.status(of: settings.path)
            path = settings.path
            device = status.st_dev
            inode = status.st_ino
        } catch {
            unlink(settings.path)
            throw error
        }
    }

    /// The present state of the file.
    enum Fate {
        case isThere, isGone
        /// Another file has its name.
        case isReplaced
    }

    var fate: Fate {
        guard let status = try? Self.status(of: path) else { return .isGone }
        return status.st_dev == device && status.st_ino == inode ? .isThere : .isReplaced
    }

    /// Removes the file, unless another file has taken its place.
    func remove() {
        if fate == .isThere { unlink(path) }
    }

    /// Binds the socket. The file never has more rights than `mode`: the system makes it with the mode of the socket
    /// less the umask, and `chmod` adds the rest.
    private static func bind(_ descriptor: Int32, to address: UnixAddress, mode: UInt32) throws(SystemError) {
        guard fchmod(descriptor, mode) == 0, address.bind(descriptor) == 0 else {
            throw SystemError(errno, doing: "bind '\(address.path)'")
        }
        guard fchmodat(AT_FDCWD, address.path, mode, AT_SYMLINK_NOFOLLOW) == 0 else {
            let failure = errno
            unlink(address.path)
            throw SystemError(failure, doing: "set the mode of '\(address.path)'")
        }
    }

    /// Makes the missing folders above `path`.
    private static func makeParent(of path: String) throws(SystemError) {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return }
        let parent = String(path[..<slash])
        if access(parent, F_OK) == 0 { return }
        try makeParent(of: parent)
        if mkdir(parent, 0o755) != 0, errno != EEXIST { throw SystemError(errno, doing: "make the folder '\(parent)'") }
    }

    /// Removes the socket of a daemon that was killed, and nothing else.
    private static func makeWay(for address: UnixAddress) throws(SystemError) {
        let path = address.path
        guard let status = try? status(of: path) else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw SystemError(
                EEXIST, doing: "listen on '\(path)'",
                advice: "it is not a socket, and stays as it is; remove it or choose another path")
        }
        switch probe(address) {
        case ECONNREFUSED:
            if unlink(path) != 0, errno != ENOENT {
                throw SystemError(errno, doing: "remove the stale socket '\(path)'")
            }
        case ENOENT:
            return
        case 0, EAGAIN, EPROTOTYPE:
            throw SystemError(
                EADDRINUSE, doing: "listen on '\(path)'",
                advice: "another daemon answers there; stop it first or choose another path")
        case let failure:
            throw SystemError(failure, doing: "find out whether another daemon answers on '\(path)'")
        }
    }

    /// Connects, and returns the error. If a daemon listens, that is 0, or EAGAIN if its backlog is full.
    private static func probe(_ address: UnixAddress) -> Int32 {
        let descriptor = socket(AF_UNIX, linux_sock_stream | linux_sock_cloexec | linux_sock_nonblock, 0)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        return address.connect(descriptor) == 0 ? 0 : errno
    }

    private static func status(of path: String) throws(SystemError) -> stat {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw SystemError(errno, doing: "look at '\(path)'") }
        return status
    }
}
