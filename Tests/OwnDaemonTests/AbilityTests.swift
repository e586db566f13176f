// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// What plugins of another author can do beyond their kinds, in a daemon that runs.
@Suite struct AbilityTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func write(_ transports: String, _ policies: String, storage: String = "memory") throws {
        try folder.write(
            "transports: [\(transports)]\nstorage: \(storage)\npolicies: [\(policies)]\n", to: "own.yaml")
    }

    private func start() throws -> Daemon {
        let daemon = try Daemon(starting: [built("own-daemon"), "-N", "--config", folder.file("own.yaml")], in: folder)
        try daemon.awaitReady()
        return daemon
    }

    private func hangUp(_ daemon: Daemon, _ told: String) throws {
        daemon.process.send(SIGHUP)
        try daemon.waitForLog(told)
    }

    @Test func anAuditTrailHasEachRequest() throws {
        try write("unix-socket, guest-socket: {domain: 5}", "permissions, audit-trail")
        let daemon = try start()
        let dom0 = try daemon.connect()
        let guest = try RawClient(folder.file("guest"))
        #expect(try dom0.ask(.write, "/secret\0hidden") == .ok)
        #expect(try guest.ask(.read, "/secret\0") == .EACCES)
        try daemon.waitForLog("audit-trail: seen: domain 0, unix-socket: WRITE /secret: ok\n")
        try daemon.waitForLog("audit-trail: seen: domain 5, guest-socket: READ /secret: EACCES\n")
        #expect(!daemon.log.contains("hidden"))
        #expect(try daemon.stop() == 0)
    }

    @Test func aTransportReadsAllCounters() throws {
        try write("unix-socket, counter-log", "permissions")
        let daemon = try start()
        let client = try daemon.connect()
        #expect(try client.ask(.read, "/\0") == .data(""))
        #expect(try client.ask(.read, "/none\0") == .ENOENT)
        try hangUp(daemon, "counter-log: counter-log reloads 1 one\n")
        for line in ["requests 2 one", "error-replies 1 one", "connections 1 one", "bytes-received 40 bytes"] {
            #expect(daemon.log.contains("counter-log: daemon \(line)\n"), "\(line)\n\(daemon.log)")
        }
        #expect(daemon.log.contains("counter-log: unix-socket connections 1 one\n"))
    }

    @Test func pluginsOfEveryKindTakeChangesOver() throws {
        try write("unix-socket, counter-log", "permissions, audit-trail")
        let daemon = try start()
        try write("unix-socket, counter-log: {greeting: hello}", "permissions, audit-trail: {prefix: heard}")
        try hangUp(daemon, "2 changed, all applied\n")
        #expect(daemon.log.contains("transports.counter-log.greeting: counters -> hello; applied\n"))
        #expect(daemon.log.contains("policies.audit-trail.prefix: seen -> heard; applied\n"))
        #expect(daemon.log.contains("counter-log: hello\n"))
        #expect(try daemon.connect().ask(.read, "/\0") == .data(""))
        try daemon.waitForLog("audit-trail: heard: domain 0")
    }

    /// A transport has taken its change over when a policy refuses its own: the transport gets the old one again.
    @Test func aRefusalTakesEveryChangeBack() throws {
        let policies = "permissions, quotas: {nodes: 100}, audit-trail"
        try write("unix-socket, counter-log", policies)
        let daemon = try start()
        let client = try daemon.connect()
        #expect(try client.ask(.setQuota, "watches\0500\0") == .ok)
        try write(
            "unix-socket, counter-log: {greeting: hello}",
            "permissions, quotas: {nodes: 5, watches: 7}, audit-trail: {prefix: bad}")
        try hangUp(daemon, "configuration not reloaded, nothing has changed: ")
        #expect(daemon.log.contains("own.yaml:3:79: policies.audit-trail.prefix: is a bad prefix\n"), "\(daemon.log)")
        #expect(daemon.log.contains("counter-log: hello\n"))
        #expect(try client.ask(.getQuota, "nodes\0") == .data("100\0"))
        #expect(try client.ask(.getQuota, "watches\0") == .data("500\0"), "it was set at run time")
        try daemon.waitForLog("counter-log: counters\n")
        try write("unix-socket, counter-log", policies)
        try hangUp(daemon, "nothing has changed\n")
    }
}
