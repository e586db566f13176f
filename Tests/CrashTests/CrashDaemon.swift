// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import Glibc
    import TestSupport

    /// A daemon that is to be killed, and the next one on the same store and the same simulated host.
    final class CrashDaemon {
        private let folder: TemporaryFolder
        private let xen: FakeXen
        private let manager: NotifySocket
        private let process: ChildProcess
        private var isReady = false
        let start = ContinuousClock.now

        /// The daemon that is tested: a release is faster.
        private static let binary = Setting.text("DAEMON") ?? built("sxenstored")

        /// Starts one, and does not wait for it.
        init(in folder: TemporaryFolder, sync: String, _ xen: FakeXen) throws {
            self.folder = folder
            self.xen = xen
            manager = try NotifySocket()
            let own = ["XENSTORED_RUNDIR": folder.path, "NOTIFY_SOCKET": manager.name]
            process = try ChildProcess(
                [Self.binary, "-N", "--config", folder.file("configuration"), "--set", "storage.tdb.sync=\(sync)"],
                environment: try xen.environment().merging(own) { $1 }, output: folder.file("log"),
                errors: folder.file("log"))
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

        /// Waits until it serves.
        func awaitReady() throws {
            if isReady { return }
            let ready = try waitUntilReady(
                [(manager.descriptor, POLLIN), (process.lifeline, POLLIN)], Deadline(in: .seconds(30)))
            guard ready.contains(manager.descriptor), manager.received() == "READY=1" else {
                throw Trouble("the daemon does not serve: \(log.suffix(2000))")
            }
            isReady = true
        }

        /// What this one and those before it have said.
        var log: String { folder.text(of: "log") }

        func connect() throws -> RawClient { try RawClient(folder.file("socket")) }

        /// Kills it, and does what dom0's kernel and Xen do then.
        func kill() throws {
            process.send(SIGKILL)
            let status = try process.wait()
            guard status == -SIGKILL || isEnding && status == 0 else {
                throw Trouble("the daemon has ended by itself, \(status): \(log.suffix(2000))")
            }
            try xen.daemonHasDied()
        }

        /// Stops it where it is: what it is sent from now on waits.
        func freeze() throws { try process.freeze() }

        private var isEnding = false

        /// Tells it to end in an orderly way, and does not wait for it.
        func terminate() {
            isEnding = true
            process.send(SIGTERM)
        }

        func stop() throws {
            process.send(SIGTERM)
            guard try process.wait() == 0 else { throw Trouble("the daemon does not end as it should") }
            try xen.daemonHasDied()
        }
    }
#endif
