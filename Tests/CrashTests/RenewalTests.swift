// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import Glibc
    import TestSupport
    import Testing

    /// What the crash test knows of guests that begin anew, held against the daemon.
    @Suite struct RenewalTests {
        private let folder: TemporaryFolder
        private let xen: FakeXen
        private var random = Randomness(seed: 1)

        init() throws {
            folder = try TemporaryFolder()
            xen = try FakeXen()
            try CrashDaemon.configure(folder)
            try xen.create(0)
            _ = try xen.makeControlRing()
        }

        private func daemon() throws -> CrashDaemon {
            let daemon = try CrashDaemon(in: folder, sync: "none", xen)
            try daemon.awaitReady()
            return daemon
        }

        /// A guest has sent the end of a transaction and something more, and is introduced again; the daemon
        /// dies before it has seen any of that. The next one has lost the transaction and answers its end
        /// EAGAIN, which nobody reads, and carries out the rest.
        @Test(.enabled(if: access(Preloaded.compiler, X_OK) == 0))
        mutating func anEndedTransactionMayBeLost() throws {
            let first = try daemon()
            let tool = try first.connect()
            let renewal = Renewal()
            let ring = try xen.introduce(5, by: tool)
            renewal.add(ring)
            let guest = try #require(renewal.actors.first)
            try tool.order(.mkdir, guest.top + "\0")

            guest.ask(.start(guest.top + "/transaction0"))
            let deadline = Deadline()
            while try guest.pump(&random) == 0 { try #require(deadline.milliseconds > 0) }
            try first.freeze()
            guest.ask(.write(guest.top + "/later", []))
            try sendAll(of: guest)
            let ends = guest.model.pending.count { if case .end(commits: true) = $0.request { true } else { false } }
            try #require(ends == 1, "another seed has the guest commit")
            try renewal.begin(0, .introduction, by: tool)
            try first.kill()
            try renewal.daemonHasDied(&random)

            let second = try daemon()
            let another = try second.connect()
            while try another.ask(.read, guest.top + "/later\0") != .data("") {
                try #require(deadline.milliseconds > 0)
            }
            try renewal.settle(by: another)
            #expect(guest.model.state.tree.nodes[guest.top]?.children == ["later"])
        }

        private mutating func sendAll(of guest: Actor) throws {
            let bytes = guest.model.pending.reduce(0) { $0 + 16 + $1.request.payload { $0 }.count }
            try #require(bytes < RingGuest.ringSize)
            while !guest.isSent { _ = try guest.pump(&random) }
        }
    }
#endif
