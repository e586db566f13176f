// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import TestSupport
    import Testing
    import XenStorePlugin
    import XenStoreTestKit

    @testable import JournaledStorage
    @testable import TDBStorage

    /// `when-unwritable: go-on`: guests start whatever the disk does, and the log says what is in memory only.
    @Suite(.slow) struct UnwritableTests {
        static let isPreloading = access(Preloaded.compiler, X_OK) == 0
        private let goOn: [String: ConfigurationValue] = ["when-unwritable": .text("go-on")]

        /// A guest's start on a disk on which no call works any more, as after it was made read-only.
        @Test(.enabled(if: isPreloading), arguments: [EROFS, EIO, ENOSPC], ["none", "commit"])
        func guestsStartWhileNothingCanBeWritten(code: Int32, sync: String) throws {
            let shelf = try Shelf()
            let settings = ["storage.tdb.when-unwritable=go-on"]
            let load = try Load(.inMemory(), sync: sync, seed: 1, settings: settings)
            try load.ask(0, inTransaction: [(.write, "/before\0x")])
            load.disk.fail(1, times: 1_000_000, .error(code))
            for number in 0..<50 {
                let node = "/guest/\(number)"
                #expect(try load.ask(1, inTransaction: [(.mkdir, "\(node)\0"), (.write, "\(node)/state\01")]) == .ok)
            }
            #expect(try load.ask(2, inTransaction: [(.rm, "/nothing\0")]) != .EIO)
            let reason = String(cString: strerror(code))
            try shelf.wait(for: "the log") {
                load.daemon.log.contains("\(reason); changes are in memory only until that works")
            }
            load.disk.failNoMore()
            try shelf.wait(for: "all to be written") {
                load.daemon.log.contains("have all changes that were in memory only")
            }
            try load.ask(0, inTransaction: [(.write, "/after\0x")])
            load.daemon.process.send(SIGKILL)
            _ = try load.daemon.process.wait()
            try Shelf(in: load.disk.folder).serve(["outlives-boot": .flag(true)]) { table in
                for history in load.histories {
                    let expected = try history.states().last
                    #expect(table.state(of: history.root) == expected)
                }
            }
        }

        /// What is lost in the end is said.
        @Test(.enabled(if: isPreloading))
        func theEndReportsLostChanges() throws {
            let load = try Load(.inMemory(), sync: "none", seed: 1, settings: ["storage.tdb.when-unwritable=go-on"])
            load.disk.fail(1, times: 1_000_000, .error(EROFS))
            for number in 0..<3 { try load.ask(0, inTransaction: [(.write, "/a\0\(number)")]) }
            #expect(try load.daemon.stop() == 0)
            #expect(
                load.daemon.log.contains("error: tdb: the changes of 3 turns are lost: "), "\(load.daemon.log)")
        }

        /// A host whose disk is full, or read-only, when the daemon starts.
        @Test(.enabled(if: SmallDisk.isPossible), arguments: [true, false])
        func theDaemonStartsWhereNothingCanBeWritten(isReadOnly: Bool) throws {
            let disk = try SmallDisk(mebibytes: 8)
            let shelf = try Shelf(in: disk.folder)
            if isReadOnly { try disk.setReadOnly(true) } else { disk.fill() }
            #expect(throws: StorageError.self) { try shelf.serve { _ in } }
            try shelf.serveAndDie(goOn) { table in
                #expect(table.write("/first", "x") == .ok)
                #expect(shelf.log.contain("the store is in memory only until that works"))
                if isReadOnly { try disk.setReadOnly(false) } else { disk.free() }
                var number = 0
                try shelf.wait(for: "the store to be written") {
                    number += 1
                    #expect(table.write("/number", "\(number)") == .ok)
                    return shelf.log.contain("it has all changes since the start")
                }
                #expect(table.write("/last", "\(number)") == .ok)
            }
            try shelf.serve { table in
                #expect(table.read("/first") == .text("x"))
                #expect(table.read("/last") == table.read("/number"))
            }
        }

        /// What was there before is served, and what changes is added to it later.
        @Test(.enabled(if: SmallDisk.isPossible))
        func changesSinceAStartOnAReadOnlyStoreAreStoredLater() throws {
            let disk = try SmallDisk(mebibytes: 8)
            let shelf = try Shelf(in: disk.folder)
            try shelf.serveAndDie { $0.write("/before", "x") }
            try disk.setReadOnly(true)
            try shelf.serveAndDie(goOn) { table in
                #expect(table.read("/before") == .text("x"))
                #expect(table.write("/after", "x") == .ok)
                try disk.setReadOnly(false)
                try shelf.wait(for: "the store to be written") {
                    #expect(table.write("/more", "x") == .ok)
                    return shelf.log.contain("it has all changes since the start")
                }
            }
            #expect(shelf.asides.isEmpty)
            try shelf.serve { table in
                for path in ["/before", "/after", "/more"] { #expect(table.read(path) == .text("x")) }
            }
        }

        /// A second daemon must not serve another store, whatever it may do without a disk.
        @Test func aSecondDaemonDoesNotGoOn() throws {
            let shelf = try Shelf()
            try shelf.serve { _ in
                #expect(throws: StorageError.self) { try shelf.serve(goOn) { _ in } }
            }
        }

        /// A disk that takes its time keeps everybody waiting, loses nothing, and is named.
        @Test(.enabled(if: isPreloading), arguments: ["none", "commit"])
        func aSlowWriteIsReported(sync: String) throws {
            let load = try Load(.inMemory(), sync: sync, seed: 1)
            load.disk.fail(1, of: [.written], on: "journal", .slow(1200))
            #expect(try load.ask(0, inTransaction: [(.write, "/a\0x")]) == .ok)
            try load.daemon.waitForLog("no client got a reply meanwhile")
            try load.end()
        }
    }
#endif
