// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import TestSupport
import Testing
import XenStorePlugin

@testable import StreamSocket

@Suite struct SocketFileTests {
    let folder: TemporaryFolder
    var path: String { folder.path + "/socket" }

    init() throws { folder = try TemporaryFolder() }

    @Test(arguments: [0o600, 0o660, 0o666, 0o777] as [UInt32]) func hasItsModeUnderAnyUmask(mode: UInt32) throws {
        let descriptor = unboundSocket()
        defer { close(descriptor) }
        let file = try SocketFile(binding: descriptor, to: SocketSettings(path: path, mode: mode))
        #expect(try #require(status()).st_mode == S_IFSOCK | mode)
        file.remove()
        #expect(status() == nil)
    }

    @Test func makesMissingFolders() throws {
        let descriptor = unboundSocket()
        defer { close(descriptor) }
        let file = try SocketFile(binding: descriptor, to: SocketSettings(path: folder.path + "/deeper/still/socket"))
        #expect(try #require(status("deeper/still")).st_mode & 0o700 == 0o700)
        file.remove()
    }

    @Test func replacesAStaleSocket() throws {
        let dead = unboundSocket()
        _ = try UnixAddress(path).bind(dead)
        close(dead)
        let stale = try #require(status()).st_ino

        let descriptor = unboundSocket()
        defer { close(descriptor) }
        let other = unboundSocket()
        defer { close(other) }
        // Keeps the inode's number from being used again.
        try #require(link(path, folder.path + "/link") == 0)
        let file = try SocketFile(binding: descriptor, to: SocketSettings(path: path))
        #expect(try #require(status()).st_ino != stale)
        file.remove()
    }

    /// Also if its backlog is full, and it can't answer at once.
    @Test(arguments: [0, 5]) func refusesALiveSocket(waiting: Int) throws {
        let live = unboundSocket()
        defer { close(live) }
        _ = try UnixAddress(path).bind(live)
        listen(live, 1)
        let clients = (0..<waiting).map { _ in unboundSocket() }
        defer { clients.forEach { close($0) } }
        for client in clients { _ = try UnixAddress(path).connect(client) }

        let error = try refusal()
        #expect(error.code == EADDRINUSE)
        #expect(error.advice?.contains("another daemon") == true)
        #expect(status() != nil)
    }

    @Test func leavesAFileThatIsNoSocketAlone() throws {
        close(open(path, O_CREAT | O_WRONLY, 0o644))
        #expect(try refusal().code == EEXIST)
        #expect(try #require(status()).st_mode & S_IFMT == S_IFREG)
    }

    @Test func refusesAPathThatDoesNotFit() throws {
        let long = "/" + String(repeating: "x", count: 107)
        #expect(throws: SystemError.self) { try UnixAddress(long) }
        #expect(throws: SystemError.self) { try UnixAddress("") }
        _ = try UnixAddress(String(long.dropLast()))
        #expect(throws: ConfigurationError.self) {
            try SocketSettings(ConfigurationBlock(["path": .text(long)]))
        }
    }

    @Test func namesTheUserThatDoesNotExist() throws {
        let error = try refusal(SocketSettings(path: path, owner: "nobody-of-this-name"))
        #expect(error.doing.contains("nobody-of-this-name"))
        #expect(status() == nil, "nothing was made")
    }

    @Test func removesOnlyItsOwn() throws {
        let descriptor = unboundSocket()
        defer { close(descriptor) }
        let file = try SocketFile(binding: descriptor, to: SocketSettings(path: path))
        try #require(rename(path, folder.path + "/link") == 0)
        let successor = unboundSocket()
        defer { close(successor) }
        _ = try UnixAddress(path).bind(successor)
        file.remove()
        #expect(status() != nil)
    }

    private func unboundSocket() -> Int32 {
        socket(AF_UNIX, linux_sock_stream | linux_sock_cloexec | linux_sock_nonblock, 0)
    }

    private func refusal(_ settings: SocketSettings? = nil) throws -> SystemError {
        let descriptor = unboundSocket()
        defer { close(descriptor) }
        return try #require(throws: SystemError.self) {
            _ = try SocketFile(binding: descriptor, to: settings ?? SocketSettings(path: path))
        }
    }

    private func status(_ name: String = "socket") -> stat? {
        var status = stat()
        return lstat(folder.path + "/" + name, &status) == 0 ? status : nil
    }
}
