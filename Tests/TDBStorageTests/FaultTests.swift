// SPDX-License-Identifier: Apache-2.0
#if TDB
    import CLinux
    import Glibc
    import TestSupport
    import Testing
    import XenStorePlugin
    import XenStoreTestKit

    @testable import JournaledStorage
    @testable import TDBStorage

    /// Files and disks that fail while the daemon runs: changes are refused with EIO, what was
    /// acknowledged stays, and it goes on when the disk does.
    @Suite(.slow) struct FaultTests {
        let shelf: Shelf

        init() throws { shelf = try Shelf() }

        private func expectContent(_ paths: String...) throws {
            #expect(shelf.asides.isEmpty)
            try shelf.serve { table in
                for path in paths { #expect(table.read(path) == .text("x"), "\(path)") }
            }
        }

        @Test(arguments: ["none", "commit"])
        func aRemovedTableIsWrittenAgain(sync: String) throws {
            try shelf.serve { $0.write("/old", "x") }
            try shelf.serveAndDie(["sync": .text(sync)]) { table in
                unlink(shelf.path)
                try shelf.wait(for: "the table to be written again from what is open") {
                    access(shelf.path, F_OK) == 0 && shelf.log.contain("No such file or directory; it has been written")
                }
                #expect(table.write("/new", "x") == .ok)
            }
            try expectContent("/old", "/new")
        }

        /// What old start scripts do before each start, and what somebody does who tidies up.
        @Test(arguments: ["none", "commit"], [true, false])
        func aRemovedStoreIsWrittenAgain(sync: String, withFolder: Bool) throws {
            let folder = shelf.folder.file("deep")
            mkdir(folder, 0o700)
            let values = ["sync": .text(sync), "path": .text(folder + "/store")] as [String: ConfigurationValue]
            try shelf.serveAndDie(values) { table in
                table.write("/old", "x")
                for name in TemporaryFolder.names(in: folder) { unlink("\(folder)/\(name)") }
                if withFolder { rmdir(folder) }
                try shelf.wait(for: "all of it to be written again") {
                    ["store", "store.lock", "store.journal-0"].allSatisfy { access("\(folder)/\($0)", F_OK) == 0 }
                }
                #expect(throws: StorageError.self) { try shelf.serve(values) { _ in } }
                #expect(table.write("/new", "x") == .ok)
            }
            try shelf.serve(values) { table in
                #expect(table.read("/old") == .text("x"))
                #expect(table.read("/new") == .text("x"))
            }
            #expect(TemporaryFolder.names(in: folder).sorted() == ["store", "store.lock"])
        }

        /// Nothing is looked at for a change: that is told by the system.
        @Test(.enabled(if: access(Preloaded.compiler, X_OK) == 0), arguments: ["none", "commit"])
        func aChangeLooksAtNoFile(sync: String) throws {
            let load = try Load(shelf.folder, sync: sync, seed: 1)
            for number in 0..<10 { try load.ask(0, inTransaction: [(.write, "/a\0\(number)")]) }
            let before = load.disk.looks
            for number in 0..<300 { try load.ask(0, inTransaction: [(.write, "/a\0\(number)")]) }
            // A fold looks at what it folds; there is one a second.
            #expect(load.disk.looks - before < 100)
            try load.end()
        }

        @Test func aTruncatedTableRefusesChangesUntilItIsPutBack() throws {
            try shelf.serve { $0.write("/old", "x") }
            try shelf.serve { table in
                #expect(table.write("/first", "x") == .ok)
                let whole = try shelf.bytes()
                cut(shelf.path, 4096)
                try shelf.wait(for: "the daemon to see it") { shelf.log.contain("has been truncated") }
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

        @Test func changesAreRefusedWhileAnotherFileHasThePlace() throws {
            try shelf.serve { table in
                #expect(table.write("/first", "x") == .ok)
                // In one step: the daemon writes a table anew that is gone even for a moment.
                link(shelf.path, shelf.path + "-away")
                try shelf.put(Array("something else".utf8), "-other")
                rename(shelf.path + "-other", shelf.path)
                try shelf.wait(for: "the daemon to see it") { shelf.log.contain("has been replaced by another file") }
                #expect(table.write("/refused", "x") == .error(.EIO))
                #expect(table.host.log.contains { $0.text.contains("has been replaced by another file") })
                rename(shelf.path + "-away", shelf.path)
                #expect(table.write("/second", "x") == .ok)
            }
            try expectContent("/first", "/second")
        }

        @Test(arguments: [true, false])
        func lostJournalsAreWrittenAgain(removed: Bool) throws {
            try shelf.serveAndDie { table in
                table.write("/first", "x")
                for name in shelf.names where name.contains("journal") {
                    if removed { unlink(shelf.folder.file(name)) } else { cut(shelf.folder.file(name), 40) }
                }
                try shelf.wait(for: "the journal to be written again") {
                    let what = removed ? "No such file or directory" : "bytes are missing"
                    return shelf.log.contain("\(what); it has been written again")
                }
                #expect(table.write("/second", "x") == .ok)
            }
            try expectContent("/first", "/second")
        }

        /// As with a copy that is moved into the place of the file.
        @Test func anotherStoreInThePlaceIsSetAside() throws {
            try shelf.serve { $0.write("/old", "x") }
            let other = try Shelf()
            try other.serve { $0.write("/other", "y") }
            let bytes = try other.bytes()
            try shelf.serveAndDie { table in
                #expect(table.write("/first", "x") == .ok)
                try shelf.put(bytes, "-copy")
                rename(shelf.path + "-copy", shelf.path)
                try shelf.wait(for: "the other one to be set aside") { shelf.asides.count == 1 }
                try shelf.wait(for: "the table to be written again") { access(shelf.path, F_OK) == 0 }
                #expect(table.write("/second", "x") == .ok)
            }
            #expect(try WholeFile.read(shelf.folder.file(shelf.asides[0])) == bytes)
            try shelf.serve { table in
                for path in ["/old", "/first", "/second"] { #expect(table.read(path) == .text("x")) }
            }
        }

        /// As a shell does.
        private func cut(_ path: String, _ size: Int) {
            let file = open(path, O_WRONLY)
            ftruncate(file, off_t(size))
            close(file)
        }

        /// Somebody who holds a lock on the file keeps us from changing it, not from going on.
        @Test func aLockedTableDoesNotStopTheDaemon() throws {
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
        @Test func aTableThatMayNotGrowLosesNothing() async {
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
    }
#endif
