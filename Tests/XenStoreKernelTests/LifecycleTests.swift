// SPDX-License-Identifier: Apache-2.0
import MemoryStorage
import PermissionsPolicy
import Testing
import XenStorePlugin
import XenStoreTestKit

@testable import XenStoreEngine
@testable import XenStoreKernel
@testable import XenStoreWire

/// Domains come, shut down, are resumed and go.
@Suite struct LifecycleTests {
    private let host: EmbeddedHost
    private let domains = EmbeddedDomains()
    private let dom0: Caller
    private let five = DomainID(5)

    init() throws {
        host = try EmbeddedHost(
            storage: try Memory(ConfigurationBlock([:])), policies: [try Permissions(ConfigurationBlock([:]))])
        domains.states = [five: DomainState(uniqueID: 55), DomainID(6): DomainState(uniqueID: 66)]
        domains.serve(host)
        dom0 = host.caller(0)
    }

    private func change(_ id: DomainID, to state: DomainState?) {
        domains.states[id] = state
        host.engine.domainsChanged()
        host.settle()
    }

    @Test func anIntroductionFiresBothForms() {
        dom0.listen("@introduceDomain", "plain")
        dom0.listen("@introduceDomain", "deep", depth: 1)
        dom0.listen("@introduceDomain", "never", depth: 0)
        dom0.listen("@introduceDomain/5", "five")
        #expect(dom0.introduce(5) == .ok)
        #expect(
            dom0.takeEvents() == [
                "@introduceDomain|plain|", "@introduceDomain/5|deep|", "@introduceDomain/5|five|",
            ])
        #expect(dom0.introduce(5) == .ok)
        #expect(dom0.takeEvents() == [])
        #expect(domains.calls == ["introduce 5", "reintroduce 5"])
    }

    @Test func aMissingDomainCannotBeIntroduced() {
        #expect(dom0.introduce(9) == .error(.ENOENT))
        #expect(domains.calls == [])
    }

    @Test func dom0MayBeginAgain() {
        #expect(dom0.introduce(0) == .ok)
        #expect(domains.calls == ["reintroduce 0"])
    }

    @Test(arguments: ["-1", "18446744073709551615", "0x1f", "", "7 ", "x", "99999999999999999999"])
    func anyGfnIsAccepted(gfn: String) {
        #expect(dom0.ask(.introduce, "5\u{0}\(gfn)\u{0}3\u{0}") == .ok)
    }

    @Test func aRefusedIntroductionLeavesTheOldConnectionServed() throws {
        dom0.introduce(5)
        dom0.mkdir("/local/domain/5")
        dom0.setPermissions("/local/domain/5", "n5")
        let guest = try #require(domains.caller(5, of: host))
        guest.listen("/", "kept")
        domains.refusesToReintroduce = true
        #expect(dom0.introduce(5) == .error(.EINVAL))
        #expect(guest.write("x") == .ok)
        #expect(guest.takeEvents() == ["/local/domain/5/x|kept|"])
    }

    @Test func targetsAreIntroduced() throws {
        dom0.introduce(5)
        // 6 is there, and not introduced: rights that it were given now would be its successor's.
        #expect(dom0.ask(.setTarget, "6\u{0}5\u{0}") == .error(.ENOENT))
        #expect(dom0.ask(.setTarget, "5\u{0}6\u{0}") == .error(.ENOENT))
        dom0.introduce(6)
        #expect(dom0.ask(.setTarget, "6\u{0}5\u{0}") == .ok)
    }

    /// XSA-322: the nodes of a domain that has died are its successor's in no case. Here the kernel comes to
    /// know of the death by a request of a transaction that fails.
    @Test func aFailedCommitBringsNoDeadDomainsNodesBack() {
        dom0.write("/x", "of the first 5")
        dom0.setPermissions("/x", "n5")
        dom0.write("/y")
        dom0.write("/c")
        let transaction = dom0.start()
        dom0.setPermissions("/y", "n0", "r5", in: transaction)
        _ = dom0.read("/c", in: transaction)
        dom0.write("/c", "moved")
        domains.states[five] = DomainState(uniqueID: 500)
        #expect(dom0.commit(transaction) == .error(.EAGAIN))
        #expect(dom0.read("/x") == .error(.ENOENT))
        #expect(host.engine.kernel.accounts.ledger[five].nodes == 0)
        #expect(StoreCheck.problems(of: host.engine.kernel.store) == [])
    }

    @Test func lookingADomainUpChangesNothing() {
        dom0.write("/x")
        dom0.setPermissions("/x", "n5")
        domains.states[five] = nil
        // A guest that names domains has the dead ones put away, and no more asked about than it may name.
        #expect(dom0.ask(.isDomainIntroduced, "5\u{0}") == .text("F|"))
        #expect(dom0.ask(.setTarget, "5\u{0}5\u{0}") == .error(.ENOENT))
        #expect(dom0.read("/x") == .text(""))
    }

    @Test func shutdownIsToldOnceUntilResumed() {
        dom0.introduce(5)
        dom0.listen("@releaseDomain", "plain")
        dom0.listen("@releaseDomain/5", "five")
        change(five, to: DomainState(uniqueID: 55, isShutdown: true))
        #expect(dom0.takeEvents() == ["@releaseDomain/5|five|", "@releaseDomain|plain|"])
        host.engine.domainsChanged()
        #expect(dom0.takeEvents() == [])
        #expect(dom0.ask(.resume, "5\u{0}") == .ok)
        host.engine.domainsChanged()
        #expect(dom0.takeEvents() == ["@releaseDomain/5|five|", "@releaseDomain|plain|"])
    }

    @Test func deathTakesNodesRightsAndWatches() throws {
        dom0.introduce(5)
        for path in ["/local/domain/5", "/far/away", "/far/away/below"] { dom0.mkdir(path) }
        dom0.setPermissions("/local/domain/5", "n5")
        dom0.setPermissions("/far/away", "n5")
        dom0.write("/shared", "")
        dom0.setPermissions("/shared", "n0", "r5", "r6")
        dom0.setPermissions("@introduceDomain", "n0", "r5")
        dom0.listen("/far/away/below", "below")
        dom0.listen("/far", "far")
        dom0.listen("@releaseDomain", "gone")
        let guest = try #require(domains.caller(5, of: host))
        guest.listen("@releaseDomain", "self")

        change(five, to: nil)
        #expect(dom0.takeEvents() == ["/far/away/below|below|", "/far/away|far|", "@releaseDomain|gone|"])
        #expect(guest.client.takeMessages() == [])
        #expect(dom0.read("/local/domain/5") == .error(.ENOENT))
        #expect(dom0.read("/far/away") == .error(.ENOENT))
        #expect(dom0.permissions("/shared") == .text("n0|r6|"))
        #expect(dom0.permissions("@introduceDomain") == .text("n0|"))
        #expect(domains.calls == ["introduce 5", "release 5"])
        #expect(dom0.ask(.isDomainIntroduced, "5\u{0}") == .text("F|"))
    }

    @Test func theNextOfANumberInheritsNothing() throws {
        dom0.introduce(5)
        dom0.write("/secret", "s")
        dom0.setPermissions("/secret", "n0", "r5")
        // The death is never told; another has the number when it is introduced.
        domains.states[five] = DomainState(uniqueID: 1000)
        #expect(dom0.introduce(5) == .ok)
        let heir = try #require(domains.caller(5, of: host))
        #expect(heir.read("/secret") == .error(.EACCES))
        #expect(domains.calls == ["introduce 5", "release 5", "introduce 5"])
    }

    @Test func anEmulatorActsForItsTargetUntilThatIsGone() throws {
        dom0.introduce(5)
        dom0.introduce(6)
        dom0.write("/local/domain/5/x", "")
        dom0.setPermissions("/local/domain/5/x", "n5")
        let emulator = try #require(domains.caller(6, of: host))
        #expect(emulator.read("/local/domain/5/x") == .error(.EACCES))
        #expect(dom0.ask(.setTarget, "6\u{0}5\u{0}") == .ok)
        #expect(emulator.write("/local/domain/5/x", "1") == .ok)
        change(five, to: nil)
        domains.states[five] = DomainState(uniqueID: 77)
        dom0.introduce(5)
        dom0.write("/local/domain/5/x", "")
        dom0.setPermissions("/local/domain/5/x", "n5")
        #expect(emulator.read("/local/domain/5/x") == .error(.EACCES))
    }

    @Test func anEmulatorMayDieWithItsTarget() throws {
        dom0.introduce(5)
        dom0.introduce(6)
        #expect(dom0.ask(.setTarget, "6\u{0}5\u{0}") == .ok)
        dom0.listen("@releaseDomain", "gone")
        domains.states = [:]
        host.engine.domainsChanged()
        // XSA-233: once each.
        #expect(dom0.takeEvents() == ["@releaseDomain|gone|", "@releaseDomain|gone|"])
    }

    @Test func aGuestCannotKeepDom0FromCommitting() throws {
        dom0.introduce(5)
        dom0.write("/local/domain/5/state", "0")
        dom0.setPermissions("/local/domain/5/state", "n5")
        let guest = domains.clients[five]
        var tries = 0
        var result = Reply.error(.EAGAIN)
        while result == .error(.EAGAIN), tries < 20 {
            tries += 1
            let transaction = dom0.start()
            _ = dom0.read("/local/domain/5/state", in: transaction)
            dom0.write("/seen", in: transaction)
            // XSA-206: the guest writes whenever it can.
            guest?.send(Operation.write.rawValue, Array("state\u{0}\(tries)".utf8))
            host.settle()
            result = dom0.commit(transaction)
        }
        #expect(result == .ok)
        #expect(tries == 4)
    }
}

/// What a storage that is not memory must not keep of the dead.
@Suite struct DeathInStorageTests {
    private let storage = FailingStorage()
    private let house: House
    private let domains = EmbeddedDomains()
    private let five = DomainID(5)

    init() throws {
        house = try House(storage: storage)
        domains.states = [five: DomainState(uniqueID: 55)]
        domains.serve(house.host)
        #expect(house.dom0.introduce(5) == .ok)
        house.dom0.makeHome(of: 5)
        house.dom0.write("/local/domain/5/secret", "v")
        house.dom0.write("/shared", "")
        house.dom0.setPermissions("/shared", "n0", "r5")
    }

    private func kill() {
        domains.states[five] = nil
        house.engine.domainsChanged()
        house.host.settle()
    }

    @Test func deathIsFinalWhateverStorageDoes() {
        house.dom0.listen("@releaseDomain", "gone")
        storage.isFailing = true
        kill()
        #expect(house.dom0.takeEvents() == ["@releaseDomain|gone|"])
        #expect(house.dom0.read("/local/domain/5/secret") == .error(.ENOENT))
        // Another comes under the number while storage still fails.
        domains.states[five] = DomainState(uniqueID: 66)
        #expect(house.dom0.introduce(5) == .ok)
        #expect(house.dom0.permissions("/shared") == .text("n0|"))
        #expect(house.dom0.write("/x", "1") == .error(.EIO))
        #expect(house.dom0.takeEvents() == [])
        #expect(storage.nodes["/local/domain/5/secret"] != nil)

        storage.isFailing = false
        #expect(house.dom0.write("/x", "1") == .ok)
        #expect(storage.nodes["/local/domain/5/secret"] == nil)
        #expect(storage.nodes["/shared"]?.permissions.count == 1)
        house.expectSound()
    }
}
