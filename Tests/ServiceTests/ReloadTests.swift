// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// SIGHUP: the log says key by key what has become of a changed file.
@Suite struct ReloadTests {
    private let folder: TemporaryFolder
    private var file: String { folder.file("c.yaml") }

    init() throws { folder = try TemporaryFolder() }

    private func write(_ quotas: String, transports: String = "[unix-socket]", storage: String = "memory") throws {
        try folder.write(
            "transports: \(transports)\nstorage: \(storage)\npolicies:\n  - permissions\n  - quotas:\n      \(quotas)\n",
            to: "c.yaml")
    }

    private func hangUp(_ daemon: Daemon, _ told: String) throws {
        daemon.process.send(SIGHUP)
        try daemon.waitForLog(told)
    }

    @Test func theLogNamesAppliedKeysAndThoseThatNeedARestart() throws {
        try write("nodes: 100")
        let daemon = try Daemon(["--config", file])
        try hangUp(daemon, "sxenstored: notice: configuration reloaded from \(file): nothing has changed\n")

        try write(
            "nodes: 5", transports: "[unix-socket: {mode: 0666}, read-only-socket]", storage: "{tdb: {sync: commit}}")
        for _ in 0..<2 {
            try hangUp(daemon, " need a restart\n")
            for line in [
                "warning: transports: unix-socket -> unix-socket, read-only-socket; this needs a restart",
                "warning: transports.unix-socket.mode: 0600 -> 0666; this needs a restart",
                "warning: storage: memory -> tdb; this needs a restart",
            ] {
                #expect(daemon.log.contains("sxenstored: \(line)\n"), "\(daemon.log)")
            }
        }
        try daemon.waitForLog("configuration reloaded from \(file): 1 applied, 3 need a restart\n")
        try daemon.waitForLog("configuration reloaded from \(file): 0 applied, 3 need a restart\n")
        #expect(daemon.log.contains("notice: policies.quotas.nodes: 100 -> 5; applied\n"), "\(daemon.log)")
        #expect(try daemon.connect().ask(.getQuota, "nodes\0") == .data("5\0"))

        try folder.write("transports: [unix-socket]\nstorage: memory\npolicies: []\n", to: "c.yaml")
        try hangUp(daemon, "warning: policies: permissions, quotas -> []; this needs a restart\n")
        #expect(try daemon.connect().ask(.getQuota, "nodes\0") == .data("5\0"))
    }

    @Test func aBadFileChangesNothingAndEachErrorIsLogged() throws {
        try write("nodes: 100")
        let daemon = try Daemon(["--config", file])
        try write("nods: 5\n      watches: many")
        try hangUp(daemon, "sxenstored: error: configuration not reloaded, nothing has changed\n")
        #expect(daemon.log.contains("error: \(file):6:7: policies.quotas.nods: unknown key; did you mean 'nodes'?\n"))
        #expect(daemon.log.contains("error: \(file):7:16: policies.quotas.watches: must be"))
        try write("nodes: 5", transports: "[unix-socket: {owner: no-such-user}]")
        try hangUp(daemon, "transports.unix-socket.owner: there is no user 'no-such-user'\n")
        #expect(try daemon.connect().ask(.getQuota, "nodes\0") == .data("100\0"))
        #expect(try daemon.stop() == 0)
    }

    /// One truth: what is in force, what is told, and what the next daemon finds.
    @Test func aLimitSetAtRunTimeStaysUntilItsKeyChanges() throws {
        let store = "{tdb: {path: \(folder.file("tdb"))}}"
        try write("nodes: 100", storage: store)
        var daemon = try Daemon(["--config", file])
        var client = try daemon.connect()
        #expect(try client.ask(.control, "quota\0set\0nodes\07777\0") == .ok)
        #expect(try client.ask(.setQuota, "watches\0500\0") == .ok)
        try hangUp(daemon, "nothing has changed\n")
        #expect(try client.ask(.getQuota, "nodes\0") == .data("7777\0"))
        #expect(
            daemon.log.contains(
                "notice: quotas: nodes stays 7777, which was set at run time; the configuration says 100\n"))
        #expect(try daemon.stop() == 0)

        daemon = try Daemon(["--config", file])
        client = try daemon.connect()
        #expect(try client.ask(.getQuota, "nodes\0") == .data("7777\0"))
        try write("nodes: 50", storage: store)
        try hangUp(daemon, "policies.quotas.nodes: 100 -> 50; applied\n")
        #expect(daemon.log.contains("quotas: nodes is 50 now, not 7777 as was set at run time"))
        for _ in 0..<2 {
            #expect(try client.ask(.getQuota, "nodes\0") == .data("50\0"))
            #expect(try client.ask(.getQuota, "watches\0") == .data("500\0"))
            #expect(try daemon.stop() == 0)
            daemon = try Daemon(["--config", file])
            client = try daemon.connect()
        }
        // A key that is written down now says what it says.
        try write("nodes: 50\n      watches: 128", storage: store)
        try hangUp(daemon, "watches is 128 now, not 500")
        #expect(try client.ask(.getQuota, "watches\0") == .data("128\0"))
    }

    @Test func theFirstLineNamesConfigurationAndPlugins() throws {
        try write("nodes: 100")
        let daemon = try Daemon(["--config", file])
        let first = daemon.log.split(separator: "\n").first ?? ""
        #expect(
            first.hasPrefix("sxenstored: notice: sxenstored 0.")
                && first.hasSuffix(
                    " with \(file): transports unix-socket; storage memory; policies permissions, quotas"),
            "\(first)")
        let other = try Daemon()
        #expect(other.log.contains(" with built-in default, as there is no /etc/xen/sxenstored.yaml: transports "))
    }
}
