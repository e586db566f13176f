// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import TestSupport
    import Testing
    import XenStoreTestKit
    import XenStoreWire

    @testable import JournaledStorage
    @testable import TDBStorage

    /// A large removed subtree is one record of a journal: nothing of it comes back, and nothing beside it is lost.
    @Suite(.slow) struct RemovedSubtreeTests {
        let shelf: Shelf

        init() throws { shelf = try Shelf() }

        private func fill(_ table: Caller) {
            for number in 0..<40 {
                for top in ["/d", "/d-beside", "/e/d"] { table.write("\(top)/\(number % 4)/\(number)", "old") }
            }
        }

        /// Removes it, and makes something at the same paths before and after that.
        private func remove(_ table: Caller) {
            table.write("/d/1/early", "v")
            table.rm("/d")
            table.write("/d/1/5", "new")
        }

        private func expectRest(_ table: Caller) {
            #expect(table.list("/d") == .names("1"))
            #expect(table.list("/d/1") == .names("5"))
            #expect(table.read("/d/1/5") == .text("new"))
            for top in ["/d-beside", "/e/d"] { #expect(table.read("\(top)/3/39") == .text("old")) }
            #expect(table.list("/") == .names("tool", "d-beside", "e", "d"))
        }

        @Test func itIsGoneFromJournalsAlone() throws {
            try shelf.serveAndDie { table in
                fill(table)
                remove(table)
            }
            try shelf.serve { expectRest($0) }
            try shelf.serve { expectRest($0) }
            #expect(try TDB.check(shelf.path).isGood)
        }

        @Test func itIsGoneFromATableWhoseDaemonWasKilled() throws {
            try shelf.serve { fill($0) }
            try shelf.serveAndDie { remove($0) }
            try shelf.serve { expectRest($0) }
            #expect(try TDB.check(shelf.path).isGood)
        }

        @Test(arguments: ["none", "commit"]) func aFoldTakesItOutOfTheTable(sync: String) throws {
            try shelf.serve { fill($0) }
            try shelf.serve(["sync": .text(sync)]) { table in
                remove(table)
                try shelf.waitForFold()
            }
            #expect(try shelf.bytes(".journal-1").isEmpty)
            try shelf.serve { expectRest($0) }
            #expect(try TDB.check(shelf.path).isGood)
        }

        /// A transaction removes the records if no new table can be written.
        @Test func aTableThatCannotBeWrittenAgainIsChangedInItsPlace() throws {
            try shelf.serve { fill($0) }
            try shelf.serve { table in
                #expect(mkdir(shelf.path + ".new", 0o700) == 0)
                remove(table)
                try shelf.waitForFold()
                #expect(rmdir(shelf.path + ".new") == 0)
            }
            try shelf.serve { expectRest($0) }
            #expect(try TDB.check(shelf.path).isGood)
        }
    }
#endif
