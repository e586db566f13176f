// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import TestSupport
    import Testing
    import XenStorePlugin
    import XenStoreTestKit

    @testable import JournaledStorage
    @testable import TDBStorage

    /// Each call that the daemon makes on its files fails once, from its start to its end: what it has
    /// acknowledged is there, what it has refused is not, and it goes on.
    ///
    /// FAILING_CALLS_STEP=1 has all of them fail; by default it is one in 47, from a random one on.
    @Suite(.slow) struct FailingCallTests {
        enum Way: String, CaseIterable {
            case EIO, ENOSPC, short

            var fault: FaultyDisk.Fault {
                switch self {
                case .EIO: .error(Glibc.EIO)
                case .ENOSPC: .error(Glibc.ENOSPC)
                case .short: .short
                }
            }
        }

        @Test(
            .enabled(if: access(Preloaded.compiler, X_OK) == 0), arguments: Way.allCases, ["commit", "none"])
        func noFailedCallLosesAChange(way: Way, sync: String) throws {
            let step = Int(PowerLossTests.number("FAILING_CALLS_STEP") ?? 47)
            let seed = PowerLossTests.number("POWER_LOSS_SEED") ?? .random(in: 0...(.max))
            var call = 1 + Int(seed % UInt64(step))
            while try Incident(call, way, sync, seed).isInTime { call += step }
            #expect(call > 30)
        }
    }

    /// A daemon's life in which one call fails.
    private struct Incident {
        /// There were so many calls.
        private(set) var isInTime = true
        private let moment: Comment
        private let sync: String
        private let folder: TemporaryFolder

        init(_ call: Int, _ way: FailingCallTests.Way, _ sync: String, _ seed: UInt64) throws {
            moment = "call \(call) fails (\(way)), sync: \(sync), POWER_LOSS_SEED=\(seed)"
            self.sync = sync
            folder = try .inMemory()
            let shelf = try Shelf(in: folder)
            // There is a store already, with something in a journal.
            try shelf.serve { $0.write("/before", "1") }
            try shelf.serveAndDie { $0.write("/before", "2") }

            do { try live(call, way, seed) } catch {
                let place = try Remains.keep(
                    ["store": folder.path], "\(moment): \(error)", as: "failing-call-\(call)-seed-\(seed)")
                Issue.record("the files are kept in \(place)/store, as the test has left them")
                throw error
            }
        }

        private mutating func live(_ call: Int, _ way: FailingCallTests.Way, _ seed: UInt64) throws {
            let load: Load
            do {
                load = try Load(folder, sync: sync, seed: seed) { $0.fail(call, way.fault) }
            } catch let trouble as Trouble {
                // It says why it does not start, and nothing has happened to the store.
                try #require(trouble.description.contains("can't "), "\(moment): \(trouble)")
                return try expectWhole(nil)
            }
            try load.change()
            let isKilled = call % 2 == 0
            if isKilled {
                awaitLog(load)
                load.daemon.process.send(SIGKILL)
                try #require(try load.daemon.process.wait() == -SIGKILL, moment)
            } else {
                try #require(try load.daemon.stop() == 0, moment)
            }
            isInTime = load.disk.failures > 0
            try expectLog(load)
            try expectWhole(load)
            // Whatever a sync did not write must not matter any more.
            if sync == "commit", load.disk.log.entries.contains(where: { $0.kind == .lost && $0.file != 0 }) {
                try Cuts(load, sync, seed, "call \(call) fails (\(way)),").make(4)
            }
        }

        /// The log is written beside the work: a daemon that is killed takes with it what is not there yet.
        private func awaitLog(_ load: Load) {
            let deadline = Deadline()
            while load.wasRefused, !load.daemon.log.contains("works again"), deadline.milliseconds > 0 { sched_yield() }
        }

        /// Refusals are said once, and that it works again is, too.
        private func expectLog(_ load: Load) throws {
            let lines = load.daemon.log.split(separator: "\n")
            let refusals = lines.count { $0.contains("changes are refused with EIO until it works") }
            try #require(refusals == (load.wasRefused ? 1 : 0), "\(moment): \(load.daemon.log)")
            try #require(lines.count { $0.contains("works again") } == refusals, "\(moment): \(load.daemon.log)")
        }

        private func expectWhole(_ load: Load?) throws {
            let shelf = try Shelf(in: folder)
            try shelf.serve(["sync": .text(sync)]) { table in
                try #require(table.read("/before") == .text("2"), moment)
                for history in load?.histories ?? [] {
                    let (found, expected) = (table.state(of: history.root), try history.states().last ?? [])
                    try #require(found == expected, moment)
                }
                try #require(table.write("/after", "") == .ok, moment)
            }
            let reason = try shelf.asides.first.map { try TDB.check(shelf.folder.file($0)).text }
            try #require(reason == nil, "\(moment) \(load?.daemon.log ?? "")")
            let report = try TDB.check(shelf.path)
            try #require(report.isGood, "\(moment): \(report.text)")
        }
    }

    extension Load {
        /// Some change was answered EIO.
        fileprivate var wasRefused: Bool { histories.contains { $0.changes.contains(where: \.isRefused) } }

        /// A bit of everything, with a fold in between. It works at the end.
        fileprivate func change() throws {
            try ask(0, inTransaction: [(.write, "/a\0one")])
            try ask(1, inTransaction: [(.write, "/a\0one"), (.write, "/b\0two")])
            try ask(0, inTransaction: [(.rm, "/a\0")])
            let before = countFolds()
            try changeMuch(2, bytes: 1_200_000)
            try ask(1, inTransaction: [(.write, "/c\0three")])
            try awaitFold(before + 1)
            try ask(0, inTransaction: [(.write, "/d\0four")])
            for client in 0..<3 {
                var answer = try ask(client, inTransaction: [(.write, "/last\0")])
                // It may be right here that a call fails; the next one does not.
                if answer == .EIO { answer = try ask(client, inTransaction: [(.write, "/last\0")]) }
                try #require(answer == .ok, "\(daemon.log)")
            }
        }
    }
#endif
