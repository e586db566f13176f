// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// Storages and policies that are shared objects, in a daemon that runs: black box.
@Suite struct SharedKindTests {
    private let workshop: Workshop

    init() throws { workshop = try Workshop() }

    private func startStoring(_ macros: [String] = []) throws -> Daemon {
        try workshop.start(workshop.configure([workshop.make("shelf", macros)], storage: "shelf"))
    }

    @Test func aStorageKeepsTheStore() throws {
        var daemon = try startStoring()
        var client = try daemon.connect()
        #expect(try client.ask(.write, "/a/b\0one") == .ok)
        #expect(try client.ask(.setPerms, "/a/b\0r0\0n5\0") == .ok)
        #expect(try client.ask(.write, "/gone\0x") == .ok)
        #expect(try client.ask(.rm, "/gone\0") == .ok)
        #expect(try client.ask(.setQuota, "watches\077\0") == .ok)
        #expect(try daemon.stop() == 0)
        daemon = try startStoring()
        client = try daemon.connect()
        #expect(try client.ask(.read, "/a/b\0") == .data("one"))
        #expect(try client.ask(.getPerms, "/a/b\0") == .data("r0\0n5\0"))
        #expect(try client.ask(.read, "/gone\0") == .ENOENT)
        #expect(try client.ask(.getQuota, "watches\0") == .data("77\0"))
    }

    @Test func whatAStorageRefusesHasNotHappened() throws {
        // The first commit is that of the nodes which every store has.
        let daemon = try startStoring(["FAILS_AT=2"])
        let client = try daemon.connect()
        #expect(try client.ask(.write, "/a\0one") == .EIO)
        #expect(try client.ask(.read, "/a\0") == .ENOENT)
        try daemon.waitForLog("storage shelf: the shelf is full; changes are refused with EIO until it works\n")
        #expect(try client.ask(.write, "/a\0two") == .ok)
        try daemon.waitForLog("storage shelf works again\n")
    }

    @Test func aTornStoreEndsTheStart() throws {
        #expect(try startStoring().stop() == 0)
        truncate(workshop.place.file("shelf"), 20)
        let outcome = try workshop.ask("-N", "--config", workshop.place.file("c.yaml"))
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("c.yaml:3:10: storage.shelf.path: the shelf is torn"), "\(outcome.errors)")
    }

    @Test func aStorageCanBeInspectedAndRepaired() throws {
        let daemon = try startStoring()
        #expect(try daemon.connect().ask(.write, "/a\0one") == .ok)
        #expect(try daemon.stop() == 0)
        let (store, configuration) = (workshop.place.file("kept.shelf"), workshop.place.file("c.yaml"))
        rename(workshop.place.file("shelf"), store)
        let good = try workshop.ask("--check-store", store, "--config", configuration)
        #expect(good.status == 0)
        let count = try #require(Int(good.output.prefix { $0 != " " }), "\(good)")
        var status = stat()
        #expect(stat(store, &status) == 0 && truncate(store, status.st_size - 1) == 0)
        let torn = try workshop.ask("--check-store", store, "--config", configuration)
        #expect(torn == Outcome(status: 1, output: "\(count - 1) records, and a torn one\n"))
        #expect(try workshop.ask("--repair-store", store, "--config", configuration).status == 0)
        let mended = try workshop.ask("--check-store", store, "--config", configuration)
        #expect(mended == Outcome(status: 0, output: "\(count - 1) records\n"))
        let strange = try workshop.ask("--check-store", configuration, "--config", configuration)
        #expect(strange.errors.contains("is no store of a plugin in this build (tdb, shelf)"), "\(strange)")
    }

    // MARK: Policies

    private func startGuarded(_ macros: [String] = []) throws -> (Daemon, guest: RawClient) {
        let files = [try workshop.make("gate"), try workshop.make("warden", macros)]
        let daemon = try workshop.start(
            workshop.configure(
                files, transports: "unix-socket, gate: {token: abcd}",
                policies: "permissions, warden: {words: [here, there]}"))
        let guest = try RawClient(workshop.place.file("gate"))
        try guest.send(Array("abcd".utf8))
        let dom0 = try daemon.connect()
        #expect(try dom0.ask(.write, "/open\0x") == .ok)
        #expect(try dom0.ask(.setPerms, "/open\0b0\0") == .ok)
        return (daemon, guest)
    }

    @Test func aPolicyDecidesAboutGuests() throws {
        let (daemon, guest) = try startGuarded()
        #expect(daemon.log.contains("warden: here\n") && daemon.log.contains("warden: there\n"))
        for name in ["a", "b", "c"] { #expect(try guest.ask(.mkdir, "/open/\(name)\0") == .ok) }
        #expect(try guest.ask(.mkdir, "/open/d\0") == .ENOSPC)
        let dom0 = try daemon.connect()
        #expect(try dom0.ask(.write, "/sevens\0x") == .ok)
        #expect(try dom0.ask(.setPerms, "/sevens\0b7\0") == .ok)
        #expect(try guest.ask(.read, "/sevens\0") == .EACCES)
        #expect(try dom0.ask(.read, "/sevens\0") == .data("x"), "dom0 is not asked about")
    }

    @Test func anObserverSeesEachRequest() throws {
        let (daemon, guest) = try startGuarded()
        #expect(try guest.ask(.read, "/none\0") == .EACCES)
        try daemon.waitForLog("warden: unix-socket WRITE /open: ok\n")
        try daemon.waitForLog("warden: gate READ /none: EACCES\n")
    }

    @Test func anErrorThatTheProtocolDoesNotHaveIsTold() throws {
        let (daemon, guest) = try startGuarded(["BAD_ERROR"])
        for name in ["a", "b", "c"] { #expect(try guest.ask(.mkdir, "/open/\(name)\0") == .ok) }
        #expect(try guest.ask(.mkdir, "/open/d\0") == .ENOSPC)
        try daemon.waitForLog(
            "warden: the plugin is wrong: it refuses with 'EWHATEVER', which is no error of the protocol\n")
    }
}
