// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// A transport that is a shared object, in a daemon that runs: black box.
@Suite struct SharedTransportTests {
    private let workshop: Workshop

    init() throws { workshop = try Workshop() }

    private func start(_ macros: [String] = [], _ keys: String = "token: abcd") throws -> Daemon {
        try workshop.start(
            workshop.configure([workshop.make("gate", macros)], transports: "unix-socket, gate: {\(keys)}"))
    }

    private func connect(_ token: String = "abcd") throws -> RawClient {
        let client = try RawClient(workshop.place.file("gate"))
        try client.send(Array(token.utf8))
        return client
    }

    @Test func servesItsClientsAsTheDomainThatItNames() throws {
        let daemon = try start()
        let guest = try connect()
        let dom0 = try daemon.connect()
        #expect(try dom0.ask(.mkdir, "/local/domain/5\0") == .ok)
        #expect(try dom0.ask(.setPerms, "/local/domain/5\0n5\0") == .ok)
        #expect(try guest.ask(.write, "name\0web") == .ok)
        #expect(try dom0.ask(.read, "/local/domain/5/name\0") == .data("web"))
        #expect(try guest.ask(.write, "/secret\0x") == .EACCES)
        #expect(try daemon.stop() == 0)
        #expect(access(workshop.place.file("gate"), F_OK) != 0, "it removes its socket")
    }

    @Test func sendsWhatTheWireDoesNotTakeAtOnce() throws {
        let daemon = try start()
        let client = try connect()
        let dom0 = try daemon.connect()
        #expect(try dom0.ask(.write, "/big\0" + String(repeating: "x", count: 4000)) == .ok)
        #expect(try dom0.ask(.setPerms, "/big\0r0\0") == .ok)
        for _ in 0..<200 { try client.send(Message(.read, "/big\0")) }
        for _ in 0..<200 { #expect(try client.receive()?.payload.count == 4000) }
    }

    @Test func sendsStrangersAndSlowClientsAway() throws {
        let daemon = try start([], "token: abcd, patience: 50ms")
        let stranger = try connect("wxyz")
        #expect(try stranger.receive() == nil)
        try daemon.waitForLog("gate: a stranger is sent away\n")
        let slow = try RawClient(workshop.place.file("gate"))
        #expect(try slow.receive() == nil)
        try daemon.waitForLog("gate: a client is too slow\n")
    }

    @Test func learnsThatTheDaemonHasEndedAConnection() throws {
        let daemon = try start()
        let client = try connect()
        try client.send([UInt8](repeating: 0xff, count: 16))
        #expect(try client.receive() == nil)
        try daemon.waitForLog("gate: closed for reason 1\n")
    }

    @Test func takesChangedValuesOverOrRefusesThem() throws {
        let daemon = try start()
        _ = try workshop.configure([workshop.folder.file("gate.so")], transports: "unix-socket, gate: {token: wxyz}")
        daemon.process.send(SIGHUP)
        try daemon.waitForLog("transports.gate.token: abcd -> wxyz; applied\n")
        let guest = try connect("wxyz")
        #expect(try guest.ask(.read, "/none\0") == .EACCES)
        _ = try workshop.configure(
            [workshop.folder.file("gate.so")], transports: "unix-socket, gate: {token: long-one}")
        daemon.process.send(SIGHUP)
        try daemon.waitForLog("c.yaml:2:41: transports.gate.token: must have four bytes\n")
        #expect(try connect("wxyz").ask(.read, "/none\0") == .EACCES)
    }

    // MARK: Wrong ones

    @Test func mayNotCallFromAnotherThread() throws {
        let daemon = try start(["CALLS_FROM_A_THREAD"])
        try daemon.waitForLog("gate: the plugin calls 'connect' from another thread than the daemon's; refused\n")
        try daemon.waitForLog("gate: another thread got no connection\n")
        #expect(try connect().ask(.read, "/none\0") == .EACCES)
    }

    @Test func mayNotUseAConnectionThatHasEnded() throws {
        let daemon = try start(["USES_ENDED"])
        #expect(try connect().ask(.read, "/none\0") == .EACCES)
        try daemon.waitForLog(
            "gate: the plugin is wrong: it calls 'receive' with a connection that has ended or never was\n")
        #expect(try connect().ask(.read, "/none\0") == .EACCES)
    }

    @Test func mayNotSendMoreThanThereIs() throws {
        let daemon = try start(["SENDS_TOO_MUCH"])
        let client = try connect()
        #expect(try client.ask(.read, "/none\0") == .EACCES)
        try daemon.waitForLog("gate: the plugin is wrong: it says that it has sent more than there was\n")
        #expect(try client.ask(.read, "/none\0") == .EACCES)
    }

    @Test func endsTheStartIfItCannotStart() throws {
        let file = try workshop.make("gate")
        let configuration = try workshop.configure(
            [file], transports: "unix-socket, gate: {token: abcd, path: /proc/gate}")
        let outcome = try workshop.ask("-N", "--config", configuration)
        #expect(outcome.status != 0)
        #expect(outcome.errors.contains("gate"), "\(outcome.errors)")
    }

    @Test func endsTheStartIfItCannotBeMade() throws {
        let file = try workshop.make("gate", ["REFUSES"])
        let configuration = try workshop.configure([file], transports: "unix-socket, gate: {token: abcd}")
        let outcome = try workshop.ask("-N", "--config", configuration)
        #expect(outcome.status == 2)
        #expect(
            outcome.errors.hasSuffix("c.yaml:2:41: transports.gate.token: is not a good token\n"), "\(outcome.errors)")
    }
}
