// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// Several plugins of one kind: everything tells them apart by their names.
@Suite struct InstanceTests {
    private let folder: TemporaryFolder
    private var file: String { folder.file("c.yaml") }

    init() throws { folder = try TemporaryFolder() }

    private func write(_ transports: String, policies: String = "permissions") throws {
        try folder.write("transports: [\(transports)]\nstorage: memory\npolicies: [\(policies)]\n", to: "c.yaml")
    }

    private func check() throws -> String {
        try run(
            [built("sxenstored"), "--check-config", "--config", file], environment: ["XENSTORED_RUNDIR": folder.path]
        ).errors
    }

    @Test func twoSocketsServeOneStore() throws {
        try write("unix-socket, unix-socket@admin: {path: \(folder.file("admin"))}")
        let daemon = try Daemon(["--config", file, "--set", "log.level=debug"])
        #expect(daemon.log.contains("transports unix-socket, unix-socket@admin; storage memory"))
        #expect(daemon.log.contains("info: unix-socket@admin: listening on \(folder.file("admin"))\n"), "\(daemon.log)")
        let other = try RawClient(folder.file("admin"))
        #expect(try daemon.connect().ask(.write, "/x\01") == .ok)
        #expect(try other.ask(.read, "/x\0") == .data("1"))
        #expect(try other.ask(.control, "log\0+io\0") == .ok)
        try daemon.waitForLog("OUT domain 0, unix-socket@admin ")

        try write("unix-socket: {mode: 0640}, unix-socket@admin: {path: \(folder.file("admin")), mode: 0666}")
        daemon.process.send(SIGHUP)
        try daemon.waitForLog("0 applied, 2 need a restart\n")
        #expect(daemon.log.contains("transports.unix-socket.mode: 0600 -> 0640; this needs a restart\n"))
        #expect(daemon.log.contains("transports.unix-socket@admin.mode: 0600 -> 0666; this needs a restart\n"))

        unlink(folder.file("admin"))
        try daemon.waitForLog(
            "unix-socket@admin: somebody has removed \(folder.file("admin")); the daemon has made it again\n")
        #expect(try daemon.stop() == 0)
        #expect(access(folder.file("admin"), F_OK) != 0)
    }

    /// By way of a link, which only the file system shows.
    @Test func twoSocketsAtOnePlaceAreRefused() throws {
        symlink(folder.path, folder.file("link"))
        try write("unix-socket@a: {path: \(folder.file("s"))}, unix-socket@b: {path: \(folder.file("link/s"))}")
        let errors = try check()
        #expect(errors.contains("\(file):1:"))
        #expect(
            errors.contains(
                "transports.unix-socket@b.path: is also the file of transports.unix-socket@a.path in line 1; "
                    + "each key needs its own file\n"), "\(errors)")
    }

    @Test func whatOnlyOnePluginCanDoIsRefused() throws {
        try write("unix-socket", policies: "quotas, quotas@guests: {nodes: 5}")
        #expect(
            try check() == "\(file):3:20: policies.quotas@guests: only one plugin can have limits that are set at "
                + "run time, and quotas in line 3 already does\n")
    }

    /// What start scripts set is the plugin without a name of its own.
    @Test func theSocketOfStartScriptsIsTheOneWithoutAName() throws {
        try write("unix-socket, unix-socket@admin: {path: \(folder.file("admin"))}")
        let printed = try run(
            [built("sxenstored"), "--print-config", "--config", file],
            environment: ["XENSTORED_RUNDIR": folder.path, "XENSTORED_PATH": "/elsewhere"]
        ).output
        #expect(printed.contains("  - unix-socket:\n      path: /elsewhere\n"))
        #expect(printed.contains("  - unix-socket@admin:\n      path: \(folder.file("admin"))\n"))
    }
}
