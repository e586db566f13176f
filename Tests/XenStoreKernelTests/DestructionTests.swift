// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

import struct TestSupport.Randomness

@testable import XenStoreEngine
@testable import XenStoreKernel

/// What is left of a domain that is gone: nothing, in the store, in the ledger and in storage.
@Suite final class DestructionTests: HouseSuite {
    let storage = FailingStorage()
    let domains = EmbeddedDomains()

    override init() throws {
        super.init(in: try House(storage: storage))
        for number in 1...9 as ClosedRange<UInt16> {
            domains.states[DomainID(number)] = DomainState(uniqueID: UInt64(number))
        }
        domains.serve(house.host)
    }

    private func introduce(_ domain: UInt16) {
        #expect(dom0.introduce(domain) == .ok)
        dom0.makeHome(of: domain)
    }

    private func kill(_ domain: UInt16) {
        domains.states[DomainID(domain)] = nil
        house.engine.domainsChanged()
        house.host.settle()
    }

    /// XSA-419: wherever its nodes are, and what stands below them.
    @Test func itsSubtreesAreGoneAndNothingIsMiscounted() {
        introduce(5)
        dom0.write("/other/x/y/z")
        dom0.setPermissions("/other/x", "n5")
        dom0.setPermissions("/other/x/y", "n0")
        dom0.setPermissions("/other/x/y/z", "n5")
        kill(5)
        #expect(dom0.list("/other") == .text(""))
        #expect(dom0.list("/local/domain") == .text(""))
        #expect("\(house.usage(5))" == "\(Usage())")
        house.expectSound()
    }

    /// What is kept for a transaction is looked at only after the change that has made it more. By then the domain
    /// may be gone: right after the turn that has changed its nodes, or after another domain that it could read.
    @Test(arguments: [[6], [5, 6]] as [[UInt16]])
    func itsOpenTransactionGoesWithIt(domains ending: [UInt16]) throws {
        introduce(5)
        introduce(6)
        dom0.setPermissions("/local/domain/5", "n5", "r6")
        _ = try #require(domains.caller(6, of: house.host)).start()
        dom0.write("/other")
        // When storage has it, the versions that it has replaced are kept for the transaction.
        dom0.send(.write, "/local/domain/6/data\0v", number: 1)
        house.host.endTurn()
        for domain in ending { domains.states[DomainID(domain)] = nil }
        house.engine.domainsChanged()
        house.host.settle()
        #expect(dom0.list("/local/domain") == .text(ending.count == 1 ? "5|" : ""))
        #expect("\(house.usage(6))" == "\(Usage())")
        house.expectSound()
    }

    /// Only the tops of what it owns are looked at, so they must be known whatever has changed owners.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func itsNodesAreFoundWhateverChangedOwners(seed: UInt64) {
        var random = Randomness(seed: seed)
        for domain in 1...3 as ClosedRange<UInt16> { introduce(domain) }
        func path() -> String {
            (0..<random.number(1...4)).map { _ in "/" + random.any(of: ["a", "b"]) }.joined()
        }
        for _ in 0..<60 {
            storage.isFailing = random.once(in: 5)
            for _ in 0..<4 {
                switch random.number(0...5) {
                case 0...1: dom0.send(.write, "\(path())\0v")
                case 2: dom0.send(.remove, "\(path())\0")
                default: dom0.send(.setPermissions, "\(path())\0n\(random.number(0...3))\0r\(random.number(1...3))\0")
                }
            }
            house.host.settle()
            house.expectSound("seed \(seed)")
        }
        storage.isFailing = false
        dom0.write("/a/b/a/b")
        dom0.setPermissions("/a/b", "n2")
        for domain in 1...3 as ClosedRange<UInt16> {
            kill(domain)
            #expect("\(house.usage(domain))" == "\(Usage())", "seed \(seed)")
            #expect(house.store.permissions.lists(naming: DomainID(domain)).isEmpty)
            house.expectSound("seed \(seed)")
        }
    }

    /// The next of its number is not charged with what is still to be freed.
    @Test func theNextOfItsNumberIsNotChargedForWhatIsLeft() throws {
        house.store.history.slices.smallTree = 3
        house.store.history.slices.nodes = 1
        introduce(5)
        for number in 0..<20 { dom0.write("/local/domain/5/data/\(number)") }
        domains.states[DomainID(5)] = nil
        house.engine.domainsChanged()
        house.host.endTurn()
        domains.states[DomainID(5)] = DomainState(uniqueID: 99)
        dom0.send(.introduce, "5\01\03\0")
        dom0.send(.makeDirectory, "/local/domain/5\0")
        dom0.send(.setPermissions, "/local/domain/5\0n5\0")
        dom0.send(.control, "quota\05\0")
        house.host.endTurn()
        #expect(house.store.history.mustFree)
        #expect("\(dom0.takeReplies())".contains("nodes            :        1 (max"))
        house.host.settle()
        #expect(house.usage(5).nodes == 1)
        house.expectSound()
    }

    @Test func specialsThatItOwnedAreDom0s() {
        introduce(5)
        dom0.setPermissions("@releaseDomain", "n5", "r6")
        kill(5)
        #expect(dom0.permissions("@releaseDomain") == .text("n0|r6|"))
        house.expectSound()
    }

    /// XSA-483: the next of its number has all of its quota.
    @Test func theNextOfItsNumberHasFullQuotas() {
        introduce(5)
        dom0.ask(.setQuota, "5\0nodes\07\0")
        for number in 0..<6 { dom0.mkdir("/local/domain/5/\(number)") }
        kill(5)
        domains.states[DomainID(5)] = DomainState(uniqueID: 99)
        introduce(5)
        #expect(dom0.ask(.getQuota, "5\0nodes\0") == .text("1000|"))
        #expect(house.usage(5).nodes == 1)
    }

    /// XSA-425.
    @Test func releasingOneAfterAnotherLeavesNothing() {
        for round in 0..<10 {
            for domain in 1...9 as ClosedRange<UInt16> { introduce(domain) }
            let (even, odd) = ((1...9).filter { ($0 + round) % 2 == 0 }, (1...9).filter { ($0 + round) % 2 == 1 })
            for domain in even.reversed() + odd { #expect(dom0.ask(.release, "\(domain)\0") == .ok) }
        }
        #expect(house.engine.kernel.sessions.all.count == 1)
        #expect(dom0.list("/local/domain") == .text(""))
        house.expectSound()
    }

    /// Else a domain that comes later under its number finds them after a restart.
    @Test func itsNodesAreGoneFromStorage() {
        introduce(5)
        dom0.write("/local/domain/5/secret", "v")
        kill(5)
        #expect(storage.nodes["/local/domain/5/secret"] == nil)
    }

    @Test func itsNodesAreGoneFromStorageAfterRelease() {
        introduce(5)
        dom0.write("/local/domain/5/secret", "v")
        #expect(dom0.ask(.release, "5\0") == .ok)
        #expect(storage.nodes["/local/domain/5/secret"] == nil)
    }

    /// A request that ends a domain opens the turn itself: its answer is as safe as those of others.
    @Test func aClientThatEndsADomainWhileStorageFailsIsAnsweredOnce() {
        introduce(5)
        introduce(6)
        introduce(7)
        storage.isFailing = true
        #expect(dom0.ask(.release, "5\0") == .ok)
        // Others have their numbers now, and nobody has told the daemon.
        domains.states[DomainID(6)] = DomainState(uniqueID: 66)
        domains.states[DomainID(7)] = DomainState(uniqueID: 77)
        #expect(dom0.introduce(6) == .ok)
        dom0.send(.isDomainIntroduced, "7\0", number: 1)
        dom0.send(.setTarget, "8\07\0", number: 2)
        dom0.send(.setPermissions, "/tool\0n0\0r7\0", number: 3)
        house.host.settle()
        #expect(dom0.client.takeMessages().map(\.header.request) == [1, 2, 3])
        storage.isFailing = false
        house.host.settle()
        #expect(dom0.takeAll() == [])
        house.expectSound()
    }

    /// What storage has never heard of need not be forgotten there.
    @Test func watchesThatComeAndGoWhileStorageFailsLeaveNothing() throws {
        introduce(5)
        let guest = try #require(domains.caller(5, of: house.host))
        guest.listen("kept")
        storage.isFailing = true
        let before = house.engine.kernel.notes.count
        for _ in 0..<50 {
            #expect(guest.watch("data") == .ok)
            #expect(guest.unwatch("data") == .ok)
        }
        #expect(house.engine.kernel.notes.count == before)
        #expect(guest.unwatch("kept") == .ok)
        storage.isFailing = false
        house.host.settle()
        #expect(!storage.notes.keys.contains { $0.starts(with: "watch/".utf8) })
    }
}
