// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import Glibc
    import TestSupport
    import Testing

    /// The whole daemon, killed at random moments of its work for clients on sockets and guests on rings.
    ///
    /// `make crash-test` kills thousands. KILLS, SEED, SYNC and DAEMON say how many, which, and whom; LOAD, how many
    /// busy loops run beside. A failure says where a copy is of the files that it is about.
    @Suite(.slow, .serialized) struct CrashTests {
        private static let modes = Setting.text("SYNC").map { [$0] } ?? ["none", "commit"]

        @Test(arguments: modes)
        func nothingIsLostAndNothingIsDoneTwice(sync: String) throws {
            let seed = Setting.number("SEED") ?? UInt64.random(in: 0...(.max))
            let kills = Setting.number("KILLS").map { Int(clamping: $0) }
            say("sync \(sync), SEED=\(seed)")
            let load = try BusyLoops(Int(clamping: min(Setting.number("LOAD") ?? 0, 64)))
            defer { withExtendedLifetime(load) {} }
            let start = ContinuousClock.now
            let totals = try CrashRun(seed: seed, sync: sync).run(kills: kills ?? 25)
            say("sync \(sync), SEED=\(seed): \(totals); \(Totals.milliseconds(.now - start) / 1000) s")
        }

        private func say(_ text: String) {
            print(text)
            fflush(nil)
        }
    }
#endif
