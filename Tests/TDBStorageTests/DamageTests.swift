// SPDX-License-Identifier: Apache-2.0
#if TDB
    import CTDB
    import Glibc
    import TestSupport
    import Testing
    import XenStorePlugin
    import XenStoreTestKit

    @testable import JournaledStorage
    @testable import TDBStorage

    /// Files that are not what they should be: said, set aside, never lost.
    @Suite(.slow) struct DamageTests {
        let shelf: Shelf

        init() throws { shelf = try Shelf() }

        /// The store is as it was, or empty with the old file set aside as it was.
        private func expectKeptOrSetAside(_ bytes: [UInt8], _ what: String) throws {
            let isWhole = try shelf.serve { $0.read("/top/3/node-7") == .text("value of 7") }
            if isWhole { return }
            let aside = try #require(shelf.asides.first, "\(what)")
            #expect(try WholeFile.read(shelf.folder.file(aside)) == bytes, "\(what)")
        }

        @Test func aTruncatedTableIsFoundAndRepaired() throws {
            try shelf.serve { $0.fill() }
            let whole = try shelf.bytes()
            var salvaged = 0
            // Far behind, there is only room for what is to be taken back.
            let near = Array(stride(from: 0, to: min(65536, whole.count), by: 512))
            for length in near + Array(stride(from: 65536, to: whole.count, by: 65536 + 512)) {
                shelf.clear()
                let torn = Array(whole[..<length])
                try shelf.put(torn)
                let isGood = try TDB.check(shelf.path).isGood
                try expectKeptOrSetAside(torn, "\(length) bytes")
                #expect(isGood == shelf.asides.isEmpty, "\(length) bytes")
                shelf.clear()
                try shelf.put(torn)
                guard (try? TDB.repair(shelf.path)) != nil else { continue }
                salvaged += 1
                #expect(try TDB.check(shelf.path).isGood, "repaired \(length) bytes")
                try shelf.serve { #expect($0.write("/works", "again") == .ok) }
            }
            #expect(salvaged > 3)
        }

        @Test func wrongBytesAreFoundAndRepaired() throws {
            try shelf.serve { $0.fill() }
            let whole = try shelf.bytes()
            let seed = UInt64.random(in: 0...(.max))
            var random = Randomness(seed: seed)
            for round in 0..<150 {
                shelf.clear()
                var damaged = whole
                for _ in 0...random.number(0...3) {
                    // Half of them in the header and the first records, where most of the structure is.
                    let end = random.once(in: 2) ? min(4096, whole.count) : whole.count
                    damaged[random.number(0...end - 1)] = random.any(of: [0, 1, 0x7f, 0x80, 0xff, random.bytes(1)[0]])
                }
                try shelf.put(damaged)
                _ = try TDB.check(shelf.path)
                try shelf.serve { #expect($0.write("/works", "again") == .ok, "seed \(seed), round \(round)") }
                shelf.clear()
                try shelf.put(damaged)
                guard (try? TDB.repair(shelf.path)) != nil else { continue }
                #expect(try TDB.check(shelf.path).isGood, "seed \(seed), round \(round)")
            }
        }

        /// A daemon that has made five changes and died: its table, the name of its journal, and what is in it.
        private func writeFive() throws -> (table: [UInt8], journal: String, content: [UInt8]) {
            try shelf.serveAndDie { table in
                for index in 0..<5 { table.write("/a/\(index)", "value \(index)") }
            }
            let journal = try #require([".journal-0", ".journal-1"].first { access(shelf.path + $0, F_OK) == 0 })
            // After what was added the journal keeps room.
            let content = try shelf.bytes(journal)
            let end = content.withUnsafeBytes {
                Batch.all(in: $0, store: $0.number(at: 16)).last?.range.upperBound ?? 0
            }
            return (try shelf.bytes(), journal, Array(content[..<end]))
        }

        /// How many of them are there: the first ones, and none of the others even in part.
        private func countOfFive(_ table: Caller, _ what: String) -> Int {
            let count = (0..<5).prefix { table.read("/a/\($0)") == .text("value \($0)") }.count
            for index in count..<5 { #expect(table.read("/a/\(index)") == .error(.ENOENT), "\(what)") }
            return count
        }

        /// A journal ends wherever the daemon was killed; what is whole counts.
        @Test func aTornJournalKeepsItsWholeBatches() throws {
            let (table, journal, whole) = try writeFive()
            var counts: Set<Int> = []
            for length in 0...whole.count {
                shelf.clear()
                try shelf.put(table)
                try shelf.put(Array(whole[..<length]), journal)
                try shelf.serve { table in
                    counts.insert(countOfFive(table, "\(length) bytes"))
                }
                #expect(shelf.asides.isEmpty)
            }
            #expect(counts == [0, 1, 2, 3, 4, 5])
        }

        /// Of a batch with wrong bytes nothing counts, nor of what comes behind it.
        @Test func aDamagedBatchEndsTheJournal() throws {
            let (table, journal, whole) = try writeFive()
            var counts: Set<Int> = []
            for place in stride(from: 0, to: whole.count, by: 3) {
                shelf.clear()
                try shelf.put(table)
                var wrong = whole
                wrong[place] ^= 4
                try shelf.put(wrong, journal)
                try shelf.serve { table in
                    counts.insert(countOfFive(table, "byte \(place)"))
                }
            }
            #expect(counts == [0, 1, 2, 3, 4])
        }

        @Test func tablesWithoutRecordsAreSetAside() throws {
            try shelf.withLibTDB(creating: true) { _ in }
            let bytes = try shelf.bytes()
            try shelf.serve { #expect($0.write("/a", "b") == .ok) }
            #expect(try WholeFile.read(shelf.folder.file(try #require(shelf.asides.first))) == bytes)
        }

        @Test func journalsAloneAreSetAside() throws {
            try shelf.put(Array("st".utf8), ".journal-1")
            try shelf.serve { #expect($0.write("/a", "b") == .ok) }
            #expect(shelf.names.contains { $0.hasPrefix("store.2") && $0.hasSuffix(".journal-1") })
        }

        @Test func aFileThatCannotBeReadStays() throws {
            mkdir(shelf.path, 0o700)
            #expect(throws: StorageError.self) { try TDB.repair(shelf.path) }
            rmdir(shelf.path)
            symlink(shelf.path, shelf.path)
            #expect(throws: StorageError.self) { try shelf.serve { _ in } }
            #expect(shelf.asides.isEmpty)
        }

        @Test func repairMakesATreeAgain() throws {
            try shelf.serve { table in
                for path in ["/a/x", "/a/y", "/a/z", "/b/deep/er", "/c"] { table.write(path, path) }
            }
            try shelf.withLibTDB { handle in
                for key in ["/a/y", "/b/deep"] {
                    Array(key.utf8).withUnsafeBytes { _ = tdb_delete(handle, TDB_DATA($0)) }
                }
                [UInt8]([1, 2, 3]).withUnsafeBytes { data in
                    Array("/c".utf8).withUnsafeBytes { _ = tdb_store(handle, TDB_DATA($0), TDB_DATA(data), 0) }
                }
            }

            let report = try TDB.check(shelf.path)
            #expect(!report.isGood)
            #expect(report.text.contains("/a/y is listed by its parent, but missing"))
            #expect(report.text.contains("/b/deep/er is in no list of children"))
            #expect(report.text.contains("/c has a record that is no node's"))

            let repair = try TDB.repair(shelf.path)
            #expect(repair.text.contains("/a/y is struck from its parent's list"))
            #expect(repair.text.contains("/b/deep is made again, empty"))
            #expect(repair.text.contains("/c is dropped"))
            #expect(try TDB.check(shelf.path).isGood)
            #expect(shelf.asides.count == 1)
            try shelf.serve { table in
                #expect(table.list("/a") == .text("x|z|"))
                #expect(table.read("/b/deep/er") == .text("/b/deep/er"))
            }
        }
    }
#endif
