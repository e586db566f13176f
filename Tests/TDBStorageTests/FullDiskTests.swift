// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import TestSupport
    import Testing
    import XenStorePlugin
    import XenStoreTestKit

    @testable import JournaledStorage
    @testable import TDBStorage

    /// A small disk that is full: what frees room always works, and all else goes on by itself.
    @Suite(.slow, .enabled(if: SmallDisk.isPossible, "needs to be root, and to be allowed to mount"))
    struct FullDiskTests {
        let disk: SmallDisk
        let shelf: Shelf

        init() throws {
            disk = try SmallDisk(mebibytes: 40)
            shelf = try Shelf(in: disk.folder)
        }

        private let value = String(repeating: "v", count: 4000)
        private let paths = (0..<300).map { "/local/domain/\($0)" }

        private func fill(_ table: Caller) throws {
            for path in paths {
                for (name, value) in [("name", "guest"), ("device/vif/0/state", "4")] {
                    try #require(table.write("\(path)/\(name)", value) == .ok)
                }
            }
        }

        /// Writes until that is refused.
        private func expectRefusal(_ table: Caller) {
            var written = 0
            while written < 10_000, table.write("/a/\(written)", value) == .ok { written += 1 }
            #expect((0..<10_000).contains(written))
        }

        @Test(arguments: ["none", "commit"])
        func removalsWorkOnAFullDisk(sync: String) throws {
            try shelf.serveAndDie(["sync": .text(sync)]) { table in
                try fill(table)
                disk.fill()
                expectRefusal(table)
                #expect(table.host.log.contains { $0.level == .error && $0.text.contains("No space left on device") })
                // One after the other, as guests shut down.
                for (number, path) in paths.enumerated() {
                    #expect(table.rm(path) == .ok, "\(path)")
                    if number % 60 == 0 { try shelf.waitForFold() }
                }
                #expect(table.list("/local/domain") == .text(""))
                #expect(table.write("/b", value) == .error(.EIO))
                // It is said once, whatever is taken in between.
                #expect(table.host.log.count { $0.text.contains("changes are refused") } == 1, "\(table.host.log)")
                #expect(!table.host.log.contains { $0.text.contains("works again") })
            }
            #expect(!shelf.log.contain("Record does not exist"))
            disk.free()
            try shelf.serve { #expect($0.list("/local/domain") == .text("")) }
        }

        /// A daemon that is started on a full disk has the room that the one before it had.
        @Test(arguments: ["none", "commit"])
        func removalsWorkOnAFullDiskAfterARestart(sync: String) throws {
            try shelf.serveAndDie(["sync": .text(sync)]) { table in
                try fill(table)
                disk.fill()
                expectRefusal(table)
            }
            try shelf.serveAndDie(["sync": .text(sync)]) { table in
                for path in paths { #expect(table.rm(path) == .ok, "\(path)") }
            }
            try shelf.serve { #expect($0.list("/local/domain") == .text("")) }
        }

        @Test func theStorageGoesOnWhenThereIsRoom() throws {
            try shelf.serveAndDie { table in
                try fill(table)
                disk.fill()
                expectRefusal(table)
                disk.free()
                try shelf.wait(for: "the daemon to see it") {
                    shelf.log.contain("there is room for '\(shelf.path)' again")
                }
                #expect(table.write("/second", "x") == .ok)
                #expect(table.host.log.count { $0.text.contains("works again") } == 1)
            }
            try shelf.serve { #expect($0.read("/second") == .text("x")) }
        }

        /// libtdb does not say that it lacks room, and changes are safe in the journals.
        @Test(.enabled(if: access(Preloaded.compiler, X_OK) == 0), arguments: ["none", "commit"])
        func aFoldReportsThatItLacksRoom(sync: String) throws {
            let load = try Load(.inMemory(), sync: sync, seed: 1)
            let table = load.disk.folder.file("store")
            load.disk.fail(1, of: [.sized], on: "store", times: 1_000_000, .error(ENOSPC))
            try load.ask(0, inTransaction: [(.write, "/a\0\(value)")])
            let missing = "can't write '\(table)': No space left on device; changes stay in the journals"
            try shelf.wait(for: "a fold") { load.daemon.log.contains(missing) }
            #expect(try load.ask(0, inTransaction: [(.write, "/b\0x")]) == .EIO)
            #expect(try load.ask(0, inTransaction: [(.rm, "/a\0")]) == .ok)
            load.disk.failNoMore()
            try shelf.wait(for: "a fold") { load.daemon.log.contains("'\(table)' is up to date again") }
            try shelf.wait(for: "room") { load.daemon.log.contains("there is room for '\(table)' again") }
            #expect(try load.ask(0, inTransaction: [(.write, "/c\0x")]) == .ok)
            #expect(!load.daemon.log.contains("Record does not exist"))
            try load.end()
        }

        /// Nothing that was acknowledged is lost when the daemon ends while the disk is full.
        @Test(arguments: [true, false])
        func anEndOnAFullDiskLosesNothing(isKilled: Bool) throws {
            var last = 0
            let use = isKilled ? shelf.serveAndDie : { values, body in try shelf.serve(values, body) }
            try use([:]) { table in
                try fill(table)
                disk.fill()
                for number in 0..<10_000 {
                    guard table.write("/d", "\(number)") == .ok else { break }
                    last = number
                }
            }
            disk.free()
            try shelf.serve { #expect($0.read("/d") == .text("\(last)")) }
        }
    }
#endif
