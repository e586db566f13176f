// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import Glibc
    import TestSupport
    import Testing

    /// What a failure of the crash test leaves to whoever looks into it.
    @Suite struct RemainsTests {
        @Test(.enabled(if: access(Preloaded.compiler, X_OK) == 0))
        func aFailureKeepsItsSeedTheStoreAndTheRings() throws {
            let crash = try CrashRun(seed: 17, sync: "none")
            // Somebody takes away what is a client's own.
            try RawClient(crash.folder.file("socket")).order(.rm, "/client0\0")
            let failure = try #require(throws: Trouble.self) { try crash.run(kills: 1) }.description
            #expect(failure.contains("SEED=17"))
            let place = String(try #require(failure.firstMatch(of: /are kept in (.+)\/store,/)).1)
            defer { _ = try? run(["rm", "-r", place]) }
            for name in ["store/tdb", "store/rings", "store/log", "host/dom0/page", "host/dom5/page"] {
                #expect(access("\(place)/\(name)", R_OK) == 0, "\(name) is missing in \(place)")
            }
            #expect(TemporaryFolder.text(of: place + "/failure").contains("SEED=17"))
        }

        @Test func busyLoopsAreBusyAndEnd() throws {
            var loops: BusyLoops? = try BusyLoops(2)
            let deadline = Deadline()
            while let used = loops?.used, used.contains(where: { $0 < 1_000_000 }) {
                try #require(deadline.milliseconds > 0, "\(used)")
                sched_yield()
            }
            weak let ended = loops
            // Waits for them.
            loops = nil
            #expect(ended == nil)
        }
    }
#endif
