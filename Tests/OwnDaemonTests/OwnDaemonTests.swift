// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// A daemon of another author, with a transport of its own beside ours: black box.
@Suite struct OwnDaemonTests {
    private let folder: TemporaryFolder
    private let binary = built("own-daemon")

    init() throws { folder = try TemporaryFolder() }

    private func configuration(_ lines: String...) throws -> String {
        let text = "transports:\n  - unix-socket\n  - guest-socket:\n" + lines.map { "      \($0)\n" }.joined()
        try folder.write(text + "storage: memory\npolicies:\n  - permissions\n", to: "own.yaml")
        return folder.file("own.yaml")
    }

    private func check(_ lines: String) throws -> Outcome {
        try run(
            [binary, "--check-config", "--config", configuration(lines)],
            environment: ["XENSTORED_RUNDIR": folder.path])
    }

    @Test func thePluginStandsAmongOurs() throws {
        let plugins = try run([binary, "--plugins"]).output
        #expect(plugins.contains("  unix-socket\n"))
        #expect(plugins.contains("  guest-socket\n      A unix socket whose clients have the rights of one guest.\n"))
        #expect(plugins.contains("      domain: a decimal number from 1 to 32751; must be given\n"))
        #expect(try !run([built("sxenstored"), "--plugins"]).output.contains("guest-socket"))
    }

    @Test func itsKeysAreChecked() throws {
        let file = folder.file("own.yaml")
        #expect(
            try check("domian: 5").errors
                == "\(file):4:7: transports.guest-socket.domian: unknown key; did you mean 'domain'?\n")
        #expect(try check("domain: 0").errors.hasPrefix("\(file):4:15: transports.guest-socket.domain: "))
        #expect(
            try check("backlog: 5").errors
                == "\(file):3:5: transports.guest-socket.domain: must be given: a decimal number from 1 to 32751\n")
        let good = try check("domain: 5")
        #expect(good.status == 0 && good.output.contains("the configuration is good"), "\(good)")
    }

    @Test func itServes() throws {
        let daemon = try Daemon(
            starting: [binary, "-N", "--config", configuration("domain: 5")], in: folder)
        try daemon.awaitReady()
        let dom0 = try daemon.connect()
        #expect(try dom0.ask(.write, "/local/domain/5/name\0guest") == .ok)
        #expect(try dom0.ask(.setPerms, "/local/domain/5/name\0n5\0") == .ok)
        #expect(try dom0.ask(.write, "/secret\0x") == .ok)

        let guest = try RawClient(folder.file("guest"))
        #expect(try guest.ask(.read, "name\0") == .data("guest"))
        #expect(try guest.ask(.write, "name\0other") == .ok)
        #expect(try guest.ask(.read, "/secret\0") == .EACCES)
        #expect(try daemon.stop() == 0)
    }
}
