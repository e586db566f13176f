// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import TestSupport
    import Testing
    import XenStorePlugin
    import XenStoreTestKit

    @testable import JournaledStorage
    @testable import TDBStorage

    /// The host loses power at random moments: a daemon's disk is cut there, and another daemon starts on
    /// what is left.
    ///
    /// POWER_LOSS_CUTS says how many cuts there are, POWER_LOSS_SEED repeats a run.
    @Suite(.slow) struct PowerLossTests {
        private static let cuts = number("POWER_LOSS_CUTS") ?? 100
        private static let cutsOfLoad = 500

        static func number(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }

        @Test(.enabled(if: access(Preloaded.compiler, X_OK) == 0), arguments: ["commit", "none"])
        func everyAcknowledgedChangeSurvives(sync: String) throws {
            let first = Self.number("POWER_LOSS_SEED") ?? .random(in: 0...(.max))
            print("POWER_LOSS_SEED=\(first), sync: \(sync)")
            var left = Int(Self.cuts)
            var seed = first
            while left > 0 {
                try loseParts(min(left, Self.cutsOfLoad), sync, seed)
                left -= Self.cutsOfLoad
                seed &+= 1
            }
        }

        private func loseParts(_ count: Int, _ sync: String, _ seed: UInt64) throws {
            let load = try Load(TemporaryFolder.inMemory(), sync: sync, seed: seed)
            try load.run(folds: 2, rounds: 30)
            if sync == "commit" {
                for name in ["store", "store.journal-0", "store.journal-1"] {
                    try load.lose(name)
                    try load.run(folds: 1, rounds: 10)
                }
            }
            try load.end()
            let cuts = try Cuts(load, sync, seed)
            try cuts.make(count)
        }

        /// A table that was written again because its name was gone has one that stays.
        @Test(.enabled(if: access(Preloaded.compiler, X_OK) == 0))
        func aRestoredNameIsSafe() throws {
            let load = try Load(TemporaryFolder.inMemory(), sync: "commit", seed: 1)
            try load.ask(0, inTransaction: [(.write, "/a\0one")])
            // The first times the other journal is made, too, and its name is synced with the table's.
            for _ in 0..<3 { try load.lose("store") }
            try expectLeast(of: load)
        }

        /// What is folded is safe even where changes are not.
        @Test(.enabled(if: access(Preloaded.compiler, X_OK) == 0))
        func foldsOfAStoreThatOutlivesBootsAreSafe() throws {
            let load = try Load(TemporaryFolder.inMemory(), sync: "none", seed: 1)
            try load.ask(0, inTransaction: [(.write, "/a\0one")])
            try load.end()
            try expectLeast(of: load)
        }

        /// A batch that the disk has refused may come back with its journal, and the next batch, which has its
        /// number, goes to the other journal: both journals must not hold it.
        @Test(.enabled(if: access(Preloaded.compiler, X_OK) == 0))
        func aRefusedBatchIsGoneBeforeItsNumberIsUsedAgain() throws {
            let folder = try TemporaryFolder.inMemory()
            let load = try loadThatWasRefused(in: folder)
            // The table is looked after, and the journals change places.
            unlink(folder.file("store"))
            try load.ask(0, inTransaction: [(.write, "/b\0two")])
            for found in folders(load, \.mostFolders) {
                try expect(["/a": "one", "/b": "two"], in: found)
            }
        }

        /// The same if the daemon is killed meanwhile: the next one does not know of the batch.
        @Test(.enabled(if: access(Preloaded.compiler, X_OK) == 0))
        func aRefusedBatchIsGoneBeforeTheNextDaemonUsesItsNumber() throws {
            let folder = try TemporaryFolder.inMemory()
            let load = try loadThatWasRefused(in: folder)
            load.daemon.process.send(SIGKILL)
            #expect(try load.daemon.process.wait() == -SIGKILL)
            let shelf = try Shelf(in: folder)
            let before = inode(of: folder.file("store.journal-1"))
            try shelf.serveAndDie(["sync": .text("commit"), "outlives-boot": .flag(true)]) {
                $0.write("/client-0/b", "two")
            }
            var found: [String: [UInt8]] = [:]
            for name in shelf.names { found[name] = try WholeFile.read(folder.file(name)) }
            if inode(of: folder.file("store.journal-1")) == before {
                found["store.journal-1"] = folders(load, \.mostFolders).last?["store.journal-1"]
            }
            try expect(["/a": "one", "/b": "two"], in: found)
        }

        /// A daemon with a value in its table and a batch that was refused in its second journal.
        private func loadThatWasRefused(in folder: TemporaryFolder) throws -> Load {
            let load = try Load(folder, sync: "commit", seed: 1)
            try load.ask(0, inTransaction: [(.write, "/a\0one")])
            try load.awaitTable()
            load.disk.fail(1, of: [.synced], on: "journal-1", .error(EIO))
            #expect(try load.ask(0, inTransaction: [(.write, "/x\0")]) == .EIO)
            return load
        }

        private func inode(of path: String) -> ino_t {
            var status = stat()
            return stat(path, &status) == 0 ? status.st_ino : 0
        }

        private func expectLeast(of load: Load) throws {
            for found in folders(load, \.leastFolders) { try expect(["/a": "one"], in: found) }
        }

        /// What may be found if power is lost now.
        private func folders(_ load: Load, _ choice: KeyPath<Disk, [[String: [UInt8]]]>) -> [[String: [UInt8]]] {
            var disk = Disk()
            for entry in load.disk.log.entries { disk.add(entry) }
            return disk[keyPath: choice]
        }

        /// With these files the first client has these values after a reboot.
        private func expect(_ values: [String: String], in folder: [String: [UInt8]]) throws {
            let shelf = try Shelf(holding: folder)
            try shelf.serve(["outlives-boot": .flag(true)], boot: "the next") { table in
                for (path, value) in values {
                    #expect(table.read("/client-0" + path) == .text(value), "\(path), of \(folder.keys.sorted())")
                }
            }
        }
    }

    extension Shelf {
        /// A store of these files.
        convenience init(holding files: [String: [UInt8]]) throws {
            try self.init(in: .inMemory())
            for (name, bytes) in files { try put(bytes, String(name.dropFirst("store".count))) }
        }
    }

    /// Cuts of one load's log.
    struct Cuts {
        private let load: Load
        private let sync: String
        private let seed: UInt64
        private let label: String
        private let states: [[[String]]]
        private let log: [DiskLog.Entry]

        init(_ load: Load, _ sync: String, _ seed: UInt64, _ label: String = "") throws {
            self.label = label
            self.load = load
            self.sync = sync
            self.seed = seed
            states = try load.histories.map { try $0.states() }
            log = load.disk.log.entries
        }

        func make(_ count: Int, from start: Int = 0) throws {
            var random = Randomness(seed: seed &+ 1)
            var disk = Disk()
            var at = 0
            for cut in chosen(count, from: start, &random) {
                while at < log.count, log[at].end <= cut {
                    disk.add(log[at])
                    at += 1
                }
                let found = disk.folder(&random)
                do { try check(found, at: cut, &random) } catch {
                    let text = "POWER_LOSS_SEED=\(seed), sync: \(sync), \(label) cut at \(cut): \(error)"
                    let place = try Remains.keep(files: found, text, as: "power-loss-seed-\(seed)")
                    Issue.record("what the disk held after the cut is kept in \(place)")
                    throw error
                }
            }
        }

        /// Half of the cuts anywhere, half where more happens than that batches are written.
        private func chosen(_ count: Int, from start: Int, _ random: inout Randomness) -> [Int] {
            let all = log.filter { entry in
                entry.end > start && entry.kind != .there && !load.gaps.contains { $0.contains(entry.end) }
            }
            let journals = Set(log.filter { $0.kind == .made && $0.names[0].contains("journal") }.map(\.file))
            let others = all.filter { !journals.contains($0.file) }
            return (0..<count).compactMap { _ in
                let entries = random.once(in: 2) || others.isEmpty ? all : others
                return entries.isEmpty ? nil : random.any(of: entries).end
            }.sorted()
        }

        private func check(_ folder: [String: [UInt8]], at cut: Int, _ random: inout Randomness) throws {
            let moment: Comment = "POWER_LOSS_SEED=\(seed), sync: \(sync), \(label) cut at \(cut)"
            let shelf = try Shelf(holding: folder)
            let values: [String: ConfigurationValue] = ["sync": .text(sync), "outlives-boot": .flag(true)]
            let value = "\(random.next())"
            var found: [[String]] = []
            try shelf.serve(values, boot: "the next") { table in
                found = load.histories.map { table.state(of: $0.root) }
                try #require(table.write("/after", value) == .ok, moment)
            }
            let report = try TDB.check(shelf.path)
            try #require(report.isGood, "\(moment): \(report.text)")
            if random.once(in: 10) {
                try shelf.serve(values) { table in
                    try #require(table.read("/after") == .text(value), moment)
                    let again = load.histories.map { table.state(of: $0.root) }
                    try #require(again == found, moment)
                }
            }
            if sync == "none", !shelf.asides.isEmpty {
                let isEmpty = found.allSatisfy(\.isEmpty)
                try #require(isEmpty, moment)
                return
            }
            let reason = try shelf.asides.first.map { try TDB.check(shelf.folder.file($0)).text }
            try #require(reason == nil, moment)
            try expectPossible(found, at: cut, moment)
        }

        /// Each client's part is in a state that it was in, and no change is there without those that were
        /// acknowledged before it was asked for.
        private func expectPossible(_ found: [[String]], at cut: Int, _ moment: Comment) throws {
            var counts: [[Int]] = []
            for (client, history) in load.histories.enumerated() {
                let certain = sync == "commit" ? history.certain(at: cut) : 0
                let last = history.possible(at: cut)
                let matching = (certain...max(certain, last)).filter { states[client][$0] == found[client] }
                if matching.isEmpty, try history.statesOfRefused(after: certain).contains(found[client]) { return }
                let isOld = states[client].firstIndex(of: found[client])
                try #require(
                    !matching.isEmpty,
                    "\(moment): \(history.root) should be at \(certain)...\(last), is at \(isOld.map(String.init) ?? "none of its states"), refused: \(history.changes.indices.filter { history.changes[$0].isRefused })"
                )
                counts.append(matching)
            }
            let latest = zip(load.histories, counts).map { history, counts in
                counts[0] == 0 ? 0 : history.changes[counts[0] - 1].sent
            }.max()
            for (history, counts) in zip(load.histories, counts) {
                try #require((counts.last ?? 0) >= history.certain(at: latest ?? 0), "\(moment): a change is missing")
            }
        }
    }
#endif
