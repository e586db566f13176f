// SPDX-License-Identifier: Apache-2.0
#if TDB
    import CLinux
    import Glibc
    import TestSupport
    import Testing
    import XenStoreKernel
    import XenStoreTestKit

    @testable import TDBStorage

    /// Files and disks that fail while the daemon runs: changes are refused with EIO, what was
    /// acknowledged stays, and it goes on when the disk does.
    @Suite struct FaultTests {
        let shelf: Shelf

        init() throws { shelf = try Shelf() }

        private func expectContent(_ paths: String...) throws {
            #expect(shelf.asides.isEmpty)
            try shelf.serve { table in
                for path in paths { #expect(table.read(path) == .text("x"), "\(path)") }
            }
        }

        @Test(arguments: ["none", "commit"])
        func theTableIsRemoved(sync: String) throws {
            try shelf.serve { $0.write("/old", "x") }
            try shelf.serveAndDie(["sync": .text(sync)]) { table in
                unlink(shelf.path)
                #expect(table.write("/new", "x") == .ok, "it is written anew from what is open")
                #expect(access(shelf.path, F_OK) == 0)
            }
            try expectContent("/old", "/new")
        }

        @Test func theTableIsTruncatedAndPutBack() throws {
            try shelf.serve { $0.write("/old", "x") }
            try shelf.serve { table in
                #expect(table.write("/first", "x") == .ok)
                let whole = try shelf.bytes()
                truncate(shelf.path, 4096)
                #expect(table.write("/refused", "x") == .error(.EIO))
                #expect(table.read("/refused") == .error(.ENOENT))
                #expect(table.read("/old") == .text("x"))
                #expect(
                    table.host.log.contains {
                        $0.text.contains("has been truncated: \(whole.count - 4096) bytes are missing")
                    })
                try shelf.put(whole)
                #expect(table.write("/second", "x") == .ok)
            }
            try expectContent("/old", "/first", "/second")
        }

        @Test func anotherFileTakesThePlace() throws {
            try shelf.serve { table in
                #expect(table.write("/first", "x") == .ok)
                rename(shelf.path, shelf.path + "-away")
                try shelf.put(Array("something else".utf8))
                #expect(table.write("/refused", "x") == .error(.EIO))
                #expect(table.host.log.contains { $0.text.contains("has been replaced by another file") })
                rename(shelf.path + "-away", shelf.path)
                #expect(table.write("/second", "x") == .ok)
            }
            try expectContent("/first", "/second")
        }

        @Test(arguments: [true, false])
        func journalsAreLost(removed: Bool) throws {
            try shelf.serveAndDie { table in
                table.write("/first", "x")
                for name in shelf.names where name.contains("journal") {
                    if removed { unlink(shelf.folder.file(name)) } else { truncate(shelf.folder.file(name), 40) }
                }
                #expect(table.write("/second", "x") == .ok)
            }
            try expectContent("/first", "/second")
        }

        /// Somebody who holds a lock on the file keeps us from changing it, not from going on.
        @Test func theTableIsLocked() throws {
            try shelf.serveAndDie { _ in }
            let other = open(shelf.path, O_RDWR)
            defer { close(other) }
            #expect(FileLock.take(other, F_RDLCK))
            try shelf.serveAndDie { table in
                #expect(table.write("/first", "x") == .ok)
                #expect(table.write("/second", "x") == .ok)
            }
            FileLock.drop(other)
            try expectContent("/first", "/second")
        }

        /// A file that may not grow any more is what a full disk is, but for the number of the error.
        @Test func noRoomIsLeft() async {
            await #expect(processExitsWith: .success) {
                let shelf = try Shelf()
                let value = String(repeating: "v", count: 3000)
                try shelf.serveAndDie { table in
                    table.write("/first", "x")
                    let resource = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
                    var limit = rlimit()
                    getrlimit(resource, &limit)
                    limit.rlim_cur = 20_000
                    try #require(setrlimit(resource, &limit) == 0)
                    var written = 0
                    while written < 100, table.write("/a/\(written)", value) == .ok { written += 1 }
                    try #require((1..<100).contains(written))
                    try #require(table.write("/b", value) == .error(.EIO))
                    try #require(table.read("/b") == .error(.ENOENT))
                    try #require(table.host.log.contains { $0.text.contains("File too large") })
                    limit.rlim_cur = limit.rlim_max
                    try #require(setrlimit(resource, &limit) == 0)
                    try #require(table.write("/second", "x") == .ok)
                    try #require(table.host.log.contains { $0.text.contains("works again") })
                    for index in 0..<written { try #require(table.read("/a/\(index)") == .text(value)) }
                }
                try shelf.serve { table in
                    try #require(table.read("/first") == .text("x"))
                    try #require(table.read("/second") == .text("x"))
                    try #require(table.read("/a/0") == .text(value))
                    try #require(table.read("/b") == .error(.ENOENT))
                }
            }
        }

        /// A disk of its own that is full.
        @Test(.enabled(if: geteuid() == 0))
        func theDiskIsFull() throws {
            let folder = try TemporaryFolder()
            guard mount("none", folder.path, "tmpfs", 0, "size=8m") == 0 else { return }
            defer { umount2(folder.path, 2) }
            let shelf = try Shelf(in: folder)
            let value = String(repeating: "v", count: 4000)
            try shelf.serve { table in
                #expect(table.write("/first", "x") == .ok)
                let filler = open(folder.file("filler"), O_WRONLY | O_CREAT, 0o600)
                let block = [UInt8](repeating: 1, count: 4096)
                while write(filler, block, block.count) > 0 {}
                close(filler)
                var written = 0
                while written < 10_000, table.write("/a/\(written)", value) == .ok { written += 1 }
                #expect(written < 10_000)
                #expect(table.host.log.contains { $0.text.contains("No space left on device") })
                unlink(folder.file("filler"))
                #expect(table.write("/second", "x") == .ok)
                #expect(table.read("/first") == .text("x"))
            }
            try shelf.serve { table in
                #expect(table.read("/first") == .text("x"))
                #expect(table.read("/second") == .text("x"))
            }
        }
    }
#endif
