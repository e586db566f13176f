// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import Glibc
    import TestSupport

    /// A daemon that is to be killed, and the next one on the same store and the same simulated host.
    final class CrashDaemon {
        private let xen: FakeXen
        private let daemon: Daemon
        let start = ContinuousClock.now

        /// Starts one, and does not wait for it.
        init(in folder: TemporaryFolder, sync: String, _ xen: FakeXen) throws {
            self.xen = xen
            daemon = try Daemon(
                starting: [
                    Daemon.binary, "-N", "--config", folder.file("configuration"),
                    "--set", "storage.tdb.sync=\(sync)",
                ], xen.environment(), in: folder)
        }

        static func configure(_ folder: TemporaryFolder) throws {
            try folder.write(
                """
                transports:
                  - unix-socket
                  - event-channel-ring
                storage:
                  tdb:
                    path: \(folder.file("tdb"))
                    hash-size: 1009
                policies:
                  - permissions
                  - quotas:
                      node-size: 8192

                """, to: "configuration")
        }

        func awaitReady() throws { try daemon.awaitReady() }

        /// What this one and those before it have said.
        var log: String { daemon.log }

        func connect() throws -> RawClient { try daemon.connect() }

        /// Kills it, and does what dom0's kernel and Xen do then.
        func kill() throws {
            daemon.process.send(SIGKILL)
            let status = try daemon.process.wait()
            guard status == -SIGKILL || isEnding && status == 0 else {
                throw Trouble("the daemon has ended by itself, \(status): \(log.suffix(2000))")
            }
            try xen.daemonHasDied()
        }

        /// Stops it where it is: what it is sent from now on waits.
        func freeze() throws { try daemon.process.freeze() }

        private var isEnding = false

        /// Tells it to end in an orderly way, and does not wait for it.
        func terminate() {
            isEnding = true
            daemon.process.send(SIGTERM)
        }

        func stop() throws {
            guard try daemon.stop() == 0 else { throw Trouble("the daemon does not end as it should") }
            try xen.daemonHasDied()
        }
    }
#endif
