// SPDX-License-Identifier: Apache-2.0
import PermissionsPolicy
import QuotasPolicy
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

/// A daemon ends without a word, and another takes up what storage has kept.
@Suite struct ResumptionTests {
    private let storage = FailingStorage()
    private let five = DomainID(5)

    /// A daemon over the storage, on a host with these domains.
    private struct Daemon {
        let host: EmbeddedHost
        let domains: EmbeddedDomains
        let dom0: Caller
        let quotas: Quotas

        func guest(_ id: DomainID) throws -> Caller { try #require(domains.caller(id.rawValue, of: host)) }
    }

    private func start(
        _ states: [DomainID: DomainState], after previous: Daemon? = nil, limits: ConfigurationBlock = Self.defaults
    ) throws -> Daemon {
        let quotas = try Quotas(limits)
        let host = try EmbeddedHost(storage: storage, policies: [try Permissions(ConfigurationBlock([:])), quotas])
        let domains = EmbeddedDomains()
        domains.states = states
        for (id, client) in previous?.domains.clients ?? [:] { domains.left[id] = client.session.indexes }
        domains.serve(host)
        return Daemon(host: host, domains: domains, dom0: host.caller(0), quotas: quotas)
    }

    private static let defaults = ConfigurationBlock(defaultsOf: Quotas.keys)

    private func limit(_ name: String, _ daemon: Daemon) -> Reply { daemon.dom0.ask(.getQuota, "\(name)\u{0}") }

    private func introduce(_ daemon: Daemon) {
        daemon.dom0.makeHome(of: 5)
        #expect(daemon.dom0.introduce(5) == .ok)
    }

    @Test func guestsAreServedAgainAndTheirWatchesFire() throws {
        let alive = [five: DomainState(uniqueID: 55)]
        let first = try start(alive)
        introduce(first)
        #expect(try first.guest(five).watch("data", "token") == .ok)
        #expect(try first.guest(five).watch("gone", "token") == .ok)
        #expect(try first.guest(five).unwatch("gone", "token") == .ok)

        let second = try start(alive, after: first)
        #expect(second.domains.calls == ["resume 5"])
        #expect(second.dom0.ask(.isDomainIntroduced, "5\u{0}") == .text("T|"))
        second.dom0.write("/local/domain/5/data/x", "1")
        second.dom0.write("/local/domain/5/gone", "1")
        #expect(try second.guest(five).takeEvents() == ["data/x|token|"])
        // It is the same watch, not one more of its kind.
        #expect(try second.guest(five).watch("data", "token") == .error(.EEXIST))
        #expect(try second.guest(five).unwatch("data", "token") == .ok)
    }

    @Test func aDomainThatDiedMeanwhileIsPutAway() throws {
        let first = try start([five: DomainState(uniqueID: 55)])
        introduce(first)
        try first.guest(five).write("data", "x")
        first.dom0.write("/others", "")
        first.dom0.setPermissions("/others", "n0", "r5")

        // Another has its number now.
        let second = try start([five: DomainState(uniqueID: 56)])
        #expect(second.domains.calls == ["release 5"])
        #expect(second.dom0.read("/local/domain/5") == .error(.ENOENT))
        #expect(second.dom0.permissions("/others") == .text("n0|"))
        #expect(second.dom0.ask(.isDomainIntroduced, "5\u{0}") == .text("F|"))
        // And the next daemon hears no more of it.
        #expect(try start([:]).domains.calls == [])
    }

    @Test func aShutdownThatNobodyHasSeenIsToldOfOnce() throws {
        let first = try start([five: DomainState(uniqueID: 55), DomainID(6): DomainState(uniqueID: 66)])
        introduce(first)
        #expect(first.dom0.introduce(6) == .ok)
        first.dom0.setPermissions("@releaseDomain", "n0", "r5")
        #expect(try first.guest(five).watch("@releaseDomain", "token", depth: 1) == .ok)

        let shut = [five: DomainState(uniqueID: 55), DomainID(6): DomainState(uniqueID: 66, isShutdown: true)]
        var last = first
        for events in [["@releaseDomain/6|token|"], []] {
            last = try start(shut, after: last)
            last.host.settle()
            #expect(try last.guest(five).takeEvents() == events)
        }
    }

    @Test func watchesOfSeveralDomainsOnOnePathCanBeRemoved() throws {
        let six = DomainID(6)
        let alive = [five: DomainState(uniqueID: 55), six: DomainState(uniqueID: 66)]
        let first = try start(alive)
        introduce(first)
        #expect(first.dom0.introduce(6) == .ok)
        first.dom0.write("/shared", "")
        first.dom0.setPermissions("/shared", "r0")
        // The later domain's is the older one; they come back the other way round.
        for id in [six, five] { #expect(try first.guest(id).watch("/shared", "token") == .ok) }

        let second = try start(alive, after: first)
        #expect(try second.guest(six).unwatch("/shared", "token") == .ok)
        second.dom0.write("/shared", "1")
        #expect(try second.guest(five).takeEvents() == ["/shared|token|"])
        #expect(try second.guest(six).takeEvents() == [])
    }

    @Test func limitsSetAtRunTimeSurvive() throws {
        let alive = [five: DomainState(uniqueID: 55)]
        let first = try start(alive)
        introduce(first)
        #expect(first.dom0.ask(.setQuota, "5\u{0}watches\u{0}300\u{0}") == .ok)
        #expect(first.dom0.ask(.setQuota, "nodes\u{0}7\u{0}") == .ok)

        let second = try start(alive, after: first)
        #expect(second.dom0.ask(.getQuota, "5\u{0}watches\u{0}") == .text("300|"))
        #expect(second.dom0.ask(.getQuota, "nodes\u{0}") == .text("7|"))
    }

    /// SIGHUP, and a restart after it: what is noted is what is in force.
    @Test func aReloadAndTheNextDaemonAgreeAboutLimits() throws {
        let alive = [five: DomainState(uniqueID: 55)]
        let first = try start(alive)
        introduce(first)
        for setting in ["nodes\u{0}7", "watches\u{0}8", "5\u{0}nodes\u{0}9", "5\u{0}transactions\u{0}3"] {
            #expect(first.dom0.ask(.setQuota, "\(setting)\u{0}") == .ok)
        }
        let own = ConfigurationBlock(["transactions": .number(4)])
        let changed = Self.defaults.with("watches", .number(60)).with("domains", .domains([(5, own)]))
        let expected = ["nodes": "7|", "watches": "60|", "5\u{0}nodes": "9|", "5\u{0}transactions": "4|"]

        try first.host.engine.reloadPolicies { try first.quotas.reload(Self.defaults) }
        #expect(limit("watches", first) == .text("8|"))
        try first.host.engine.reloadPolicies { try first.quotas.reload(changed) }
        first.host.settle()
        for (name, value) in expected { #expect(limit(name, first) == .text(value), "\(name)") }
        let second = try start(alive, after: first, limits: changed)
        for (name, value) in expected { #expect(limit(name, second) == .text(value), "\(name)") }
        // What the file has overruled does not come back with the file as it was.
        let third = try start(alive, after: second)
        #expect(limit("watches", third) == .text("128|"))
        #expect(limit("5\u{0}transactions", third) == .text("10|"))
        #expect(limit("nodes", third) == .text("7|"))
    }

    @Test func theConfigurationThatChangedMeanwhileOverrulesWhatWasSet() throws {
        let alive = [five: DomainState(uniqueID: 55)]
        let first = try start(alive)
        introduce(first)
        #expect(first.dom0.ask(.setQuota, "nodes\u{0}7\u{0}") == .ok)
        let second = try start(alive, after: first, limits: Self.defaults.with("nodes", .number(500)))
        #expect(limit("nodes", second) == .text("500|"))
        #expect(second.host.log.contains { $0.text.contains("the limit nodes is 500 now, not 7") })
        second.host.settle()
        #expect(limit("nodes", try start(alive, after: second)) == .text("1000|"))
    }

    /// Its own number may be another's by then.
    @Test func limitsOfDomainsThatDiedUnintroducedAreForgotten() throws {
        let first = try start([five: DomainState(uniqueID: 55)])
        #expect(first.dom0.ask(.setQuota, "5\u{0}nodes\u{0}7\u{0}") == .ok)
        let second = try start([:], after: first)
        second.host.settle()
        let third = try start([five: DomainState(uniqueID: 56)], after: second)
        #expect(limit("5\u{0}nodes", third) == .text("1000|"))
    }

    /// A guest that waits for a limit goes on when a reload raises it.
    @Test func aReloadLetsBlockedGuestsGoOn() throws {
        let alive = [five: DomainState(uniqueID: 55)]
        let daemon = try start(alive, limits: Self.defaults.with("outstanding", .number(1)))
        introduce(daemon)
        let guest = try daemon.guest(five)
        guest.client.appetite = 0
        for _ in 0..<3 { guest.send(.getDomainPath, "5\u{0}") }
        daemon.host.settle()
        #expect(!guest.client.session.isReading)
        try daemon.host.engine.reloadPolicies { try daemon.quotas.reload(Self.defaults) }
        #expect(guest.client.session.isReading)
    }

    @Test func watchesThatStorageCouldNotTakeAreHandedOverWhenItWorksAgain() throws {
        let alive = [five: DomainState(uniqueID: 55)]
        let first = try start(alive)
        introduce(first)
        storage.isFailing = true
        #expect(try first.guest(five).watch("data", "token") == .ok)
        storage.isFailing = false
        first.host.settle()

        let second = try start(alive, after: first)
        second.dom0.write("/local/domain/5/data", "1")
        #expect(try second.guest(five).takeEvents() == ["data|token|"])
    }

    @Test func theKernelStartsWithBrokenNotes() throws {
        let first = try start([five: DomainState(uniqueID: 55)])
        introduce(first)
        #expect(storage.notes[Array("domain/5".utf8)] != nil)
        for length in 0..<8 {
            storage.overwriteNote("domain/5", Array(repeating: 0xff, count: length))
            storage.overwriteNote("watch/9", Array(repeating: 0xff, count: length * 5))
            storage.overwriteNote("limit/5/nodes", Array(repeating: 0xff, count: length))
            storage.overwriteNote("what/is/this", [1])
            #expect(try start([five: DomainState(uniqueID: 55)]).domains.calls == [])
        }
    }
}
