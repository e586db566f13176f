// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import Glibc
    import TestSupport

    /// One store and one simulated host, and daemon after daemon that is killed at work.
    ///
    /// What clients do comes from the seed, so a failure can be looked for again; when exactly a daemon is
    /// killed is up to the machine, too.
    final class CrashRun {
        private let seed: UInt64
        private let sync: String
        private var random: Randomness
        private var totals = Totals()

        let folder: TemporaryFolder
        private let xen: FakeXen
        private var daemon: CrashDaemon
        private let guests: [UInt16] = [1, 2, 3]
        private let kernel: Actor
        private var residents: [Actor] = []
        private var sockets: [Actor] = []
        private let lifecycle: Lifecycle
        private let renewal = Renewal()
        private let mailboxes = Mailboxes()
        /// Nobody changes anything in this round.
        private var onlyReads = false

        init(seed: UInt64, sync: String) throws {
            self.seed = seed
            self.sync = sync
            random = Randomness(seed: seed)
            // What is synced is synced to a disk, as far as there is one.
            folder = sync == "none" ? try .inMemory() : try TemporaryFolder()
            xen = try FakeXen()
            // Compiled now, and not while somebody waits for a daemon.
            _ = try FakeXen.library.get()
            try CrashDaemon.configure(folder)
            try xen.create(0)
            _ = try xen.makeControlRing()
            kernel = .kernel(try RingGuest(0, in: xen), guests: guests)
            lifecycle = Lifecycle(xen, domains: 10...13)
            daemon = try CrashDaemon(in: folder, sync: sync, xen)
            try daemon.awaitReady()
            try furnish(try daemon.connect())
        }

        /// Makes the guests that stay, and the folders of all clients.
        private func furnish(_ tool: RawClient) throws {
            sockets = (0..<3).map { .socket($0, guests: guests) }
            for domain in guests {
                let actor = Actor.guest(try xen.introduce(domain, by: tool), [UniformWork(guest: domain)])
                actor.foreignTokens = [MailWork.token]
                actor.onForeignEvent = { [mailboxes] in mailboxes.note($0, of: domain) }
                residents.append(actor)
            }
            for domain: UInt16 in [4, 5] { renewal.add(try xen.introduce(domain, by: tool)) }
            for actor in sockets + rings {
                for top in actor.model.tops { try tool.order(.mkdir, top + "\0") }
            }
            for domain in guests {
                residents[Int(domain) - 1].ask(.listen(Actor.home(domain) + "/mail", token: MailWork.token, depth: nil))
            }
            kernel.foreignTokens = Lifecycle.tokens
            kernel.onForeignEvent = { [lifecycle] in lifecycle.note($0) }
            for watch in Lifecycle.watches { kernel.ask(watch) }
        }

        // MARK: Kills

        /// Kills so many daemons, and checks after each what it has left.
        func run(kills: Int) throws -> Totals {
            var round = 0
            do {
                try settle()
                while totals.kills < kills {
                    round += 1
                    try work()
                    try kill()
                    while random.once(in: 3) { try killWhileStarting() }
                    daemon = try CrashDaemon(in: folder, sync: sync, xen)
                    try daemon.awaitReady()
                    try settle()
                }
                try daemon.stop()
                try afterDeath()
                daemon = try CrashDaemon(in: folder, sync: sync, xen)
                try daemon.awaitReady()
                try settle()
            } catch {
                throw Trouble(report(of: error, "SEED=\(seed), sync \(sync), round \(round), kill \(totals.kills)"))
            }
            return totals
        }

        /// Keeps what is there, and says so.
        private func report(of error: any Error, _ moment: String) -> String {
            let failure = "\(moment): \(error)\nThe log ends: \(daemon.log.suffix(1500))\n"
            do {
                // Whatever it is doing, the files are to be of one moment.
                try daemon.freeze()
                let place = try Remains.keep(
                    ["store": folder.path, "host": xen.folder.path], failure, as: "sync-\(sync)-seed-\(seed)")
                return """
                    \(failure)The files of the store, the index file of the rings and the log are kept in \(place)/store, the \
                    simulated host with its rings in \(place)/host. 'make crash-test SYNC=\(sync) SEED=\(seed)' has the \
                    clients ask for the same; when a daemon is killed is up to the machine, too.
                    """
            } catch { return "\(failure)The files could not be kept: \(error)" }
        }

        private func kill() throws {
            try daemon.kill()
            totals.kills += 1
            try afterDeath()
        }

        /// What has become of everybody's session, and what goes on without a daemon.
        private func afterDeath() throws {
            for actor in sockets { try actor.loseConnection(&random) }
            try lifecycle.daemonHasDied(&random)
            try renewal.daemonHasDied(&random)
            for actor in rings {
                // What had come before.
                _ = try actor.pump(&random)
                actor.keepConnection()
                if random.once(in: 3) { actor.work(&random) }
                _ = try actor.pump(&random)
            }
        }

        private var rings: [Actor] { residents + renewal.actors + lifecycle.actors + [kernel] }

        /// A daemon that is killed while it loads the store, takes up rings or folds the journal.
        private func killWhileStarting() throws {
            daemon = try CrashDaemon(in: folder, sync: sync, xen)
            try pump(for: .microseconds(random.number(0...25_000)))
            try kill()
        }

        // MARK: Work

        private func work() throws {
            onlyReads = random.once(in: 6)
            for actor in residents { (actor.carrier as? RingCarrier)?.isSlow = random.once(in: 4) }
            for actor in sockets + rings { actor.work(&random, onlyReads: onlyReads) }
            if !onlyReads { try lifecycle.work(&random) }
            if !onlyReads, random.once(in: 3) {
                try pump(untilAnswers: random.number(0...50))
                try renewal.work(daemon, &random)
            }
            switch random.number(0...39) {
            case 0...14: try pump(untilAnswers: random.number(0...300))
            case 15...29: try pump(for: .microseconds(random.number(0...15_000)))
            case 30...35:
                // The journal is full somewhere in here, and is folded.
                for actor in sockets { FloodWork().requests(for: actor, &random).forEach { actor.ask($0) } }
                try pump(for: .microseconds(random.number(0...60_000)))
            case 36...38:
                try pump(for: .microseconds(random.number(0...10_000)))
                daemon.terminate()
                try pump(for: .microseconds(random.number(0...4_000)))
            default:
                // Until even a little is folded.
                if totals.kills % 10 == 0 { try pump(for: .milliseconds(random.number(990...1050))) }
            }
        }

        private func pump(for duration: Duration) throws {
            let end = ContinuousClock.now + duration
            repeat { _ = try pumpOnce(isWorking: true) } while .now < end
        }

        private func pump(untilAnswers count: Int) throws {
            var left = count
            let end = ContinuousClock.now + Deadline.usual
            while left > 0 {
                left -= try pumpOnce(isWorking: true)
                if .now > end { throw Trouble("the daemon answers too little") }
            }
        }

        /// Everybody's turn. Returns how many replies have come.
        private func pumpOnce(isWorking: Bool) throws -> Int {
            var count = 0
            for actor in sockets + rings {
                count += try actor.pump(&random)
                if isWorking, actor.model.pending.count < 8, random.once(in: 4) {
                    actor.work(&random, onlyReads: onlyReads)
                }
            }
            try lifecycle.pump()
            if isWorking, !onlyReads, random.once(in: 20) { try lifecycle.work(&random) }
            return count
        }

        // MARK: What is left

        /// Checks all that must be there, and has everybody begin anew.
        private func settle() throws {
            let tool = try daemon.connect()
            _ = try tool.ask(.getDomainPath, "0\0")
            totals.restarts.append(.now - daemon.start)
            try lifecycle.settle(by: tool)
            try renewal.settle(by: tool)
            try awaitAnswers()
            let everybody = sockets + rings
            let store = try StoreDump(
                everybody.flatMap(\.model.tops),
                quotas: guests.flatMap { guest in ["nodes", "watches", "transactions"].map { "\(guest) \($0)" } },
                by: tool)
            for actor in sockets { try actor.model.settle(on: store) }
            // Events are out before the answer to what is asked after them.
            for actor in rings { actor.ask(.home(1)) }
            try awaitAnswers()
            for actor in rings { try actor.model.check(against: store) }
            for actor in everybody { mailboxes.take(actor.model.takeDone()) }
            try mailboxes.check()
            try lifecycle.checkEvents()
            try tool.order(.control, "check\0")
            for actor in sockets { actor.carrier = try SocketCarrier(daemon) }
            lifecycle.connect(tool)
            totals.count(sockets: sockets, rings: rings)
        }

        /// Every request in a ring is answered in the end.
        private func awaitAnswers() throws {
            let end = ContinuousClock.now + Deadline.usual
            while let actor = rings.first(where: { !$0.isQuiet }) {
                let count = try rings.reduce(0) { try $0 + $1.pump(&random) }
                if count > 0 { continue }
                if .now > end {
                    throw Trouble(
                        "\(actor.model.name) is not answered: \(actor.model.pending.map(\.request)); \(actor.carrier.map { "\($0)" } ?? "")"
                    )
                }
                sched_yield()
            }
        }
    }
#endif
