// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

/// Which changes a guest's watches are told of: those of nodes it may read, or below one it may.
@Suite final class VisibilityTests: GuestSuite {
    /// XSA-115.
    @Test func theRootsWatcherLearnsNothingOfOthers() {
        guest.listen("/")
        dom0.write("/secret/a", "v")
        dom0.write("/secret/a", "w")
        dom0.setPermissions("/secret", "n0", "r6")
        dom0.rm("/secret")
        #expect(guest.takeEvents() == [])
    }

    @Test func readableNodesAreTold() {
        dom0.write("/d/x")
        dom0.setPermissions("/d/x", "n0", "r5")
        guest.listen("/d")
        dom0.write("/d/x", "v")
        #expect(guest.takeEvents() == ["/d/x|t|"])
    }

    @Test func changesBelowAReadableNodeAreTold() {
        dom0.write("/d/x")
        dom0.setPermissions("/d", "n0", "r5")
        guest.listen("/d")
        dom0.write("/d/x", "v")
        #expect(guest.takeEvents() == ["/d/x|t|"])
        dom0.write("/d/x/y", "v")
        #expect(guest.takeEvents() == [], "neither the node nor its parent is readable")
    }

    @Test func losingTheRightIsToldOnce() {
        dom0.write("/d/x")
        dom0.setPermissions("/d/x", "n0", "r5")
        guest.listen("/d/x")
        dom0.setPermissions("/d/x", "n0")
        #expect(guest.takeEvents() == ["/d/x|t|"])
        dom0.write("/d/x", "v")
        dom0.setPermissions("/d/x", "w0")
        #expect(guest.takeEvents() == [])
    }

    @Test func gainingTheRightIsTold() {
        dom0.write("/d/x")
        guest.listen("/d/x")
        dom0.setPermissions("/d/x", "n0", "r5")
        #expect(guest.takeEvents() == ["/d/x|t|"])
    }

    @Test func removalOfAReadableNodeIsTold() {
        dom0.write("/d/x")
        dom0.setPermissions("/d/x", "n0", "r5")
        guest.listen("/d/x")
        dom0.rm("/d/x")
        #expect(guest.takeEvents() == ["/d/x|t|"])
    }

    @Test func removalWithAnAncestorIsToldToo() {
        dom0.write("/d/x/y")
        dom0.setPermissions("/d/x/y", "n0", "r5")
        guest.listen("/d/x/y")
        guest.listen("/d", "above")
        dom0.rm("/d")
        #expect(guest.takeEvents() == ["/d/x/y|t|"])
    }

    @Test func aTransactionTellsWhoMayReadNow() {
        dom0.write("/d/x")
        guest.listen("/d/x")
        let transaction = dom0.start()
        dom0.setPermissions("/d/x", "n0", "r5", in: transaction)
        dom0.write("/d/x", "v", in: transaction)
        dom0.commit(transaction)
        #expect(guest.takeEvents() == ["/d/x|t|"])
    }

    @Test func aTransactionTellsWhoCouldReadBefore() {
        dom0.write("/d/x")
        dom0.setPermissions("/d/x", "n0", "r5")
        guest.listen("/d/x")
        let transaction = dom0.start()
        dom0.setPermissions("/d/x", "n0", in: transaction)
        dom0.commit(transaction)
        #expect(guest.takeEvents() == ["/d/x|t|"])
        dom0.setPermissions("/d/x", "n0", "r5")
        #expect(guest.takeEvents() == ["/d/x|t|"])
        let second = dom0.start()
        dom0.rm("/d", in: second)
        dom0.commit(second)
        #expect(guest.takeEvents() == ["/d/x|t|"])
    }

    @Test func aTransactionHidesWhatIsNobodysBusiness() {
        guest.listen("/")
        let transaction = dom0.start()
        dom0.write("/secret/a", "v", in: transaction)
        dom0.commit(transaction)
        #expect(guest.takeEvents() == [])
    }

    @Test func aTargetsReaderIsTold() {
        dom0.write("/six")
        dom0.setPermissions("/six", "n6")
        _ = house.caller(6)
        guest.listen("/six")
        dom0.write("/six", "v")
        #expect(guest.takeEvents() == [])
        dom0.ask(.setTarget, "5\06\0")
        dom0.write("/six", "v")
        #expect(guest.takeEvents() == ["/six|t|"])
    }

    @Test func specialsAreToldToTheirReaders() {
        guest.listen("@introduceDomain")
        guest.listen("@releaseDomain")
        dom0.setPermissions("@introduceDomain", "n0", "w5")
        #expect(guest.takeEvents() == [])
        dom0.setPermissions("@releaseDomain", "n0", "r5")
        #expect(guest.takeEvents() == ["@releaseDomain|t|"])
    }

    @Test func guestsChangesAreToldToOthers() {
        let watcher = house.guest(6)
        watcher.listen("/local/domain/5")
        guest.write("open")
        #expect(watcher.takeEvents() == [])
        guest.setPermissions("open", "r5")
        guest.write("open", "v")
        #expect(watcher.takeEvents() == ["/local/domain/5/open|t|", "/local/domain/5/open|t|"])
    }

    // MARK: In one transaction

    /// The rule of XSA-115: who could read neither the node nor its parent while the node was there learns nothing
    /// of it, though it may read the parent afterwards.
    @Test(arguments: [[0, 1], [1, 0]])
    func aRemovedNodeIsNotToldToWhoGainsItsParent(order: [Int]) {
        dom0.write("/d/secret-name")
        guest.listen("/d")
        let transaction = dom0.start()
        for step in order {
            if step == 0 { dom0.rm("/d/secret-name", in: transaction) }
            if step == 1 { dom0.setPermissions("/d", "n0", "r5", in: transaction) }
        }
        #expect(dom0.commit(transaction) == .ok)
        #expect(guest.takeEvents() == ["/d|t|"])
    }

    @Test func aNodeMadeUnderAParentThatWasClosedIsNotTold() {
        dom0.write("/d")
        dom0.setPermissions("/d", "n0", "r5")
        guest.listen("/d")
        let transaction = dom0.start()
        dom0.setPermissions("/d", "n0", in: transaction)
        dom0.write("/d/secret-name", in: transaction)
        #expect(dom0.commit(transaction) == .ok)
        #expect(guest.takeEvents() == ["/d|t|"])
    }

    @Test func aNodeThatWasOpenAndIsNoneAnyMoreIsTold() {
        dom0.write("/d/x")
        dom0.setPermissions("/d/x", "n0", "r5")
        guest.listen("/d")
        let transaction = dom0.start()
        dom0.setPermissions("/d/x", "n0", in: transaction)
        dom0.rm("/d/x", in: transaction)
        #expect(dom0.commit(transaction) == .ok)
        #expect(guest.takeEvents() == ["/d/x|t|"])
    }

    /// PROTOCOL: names below a special one are names of watches; there is no node that could have permissions.
    @Test func specialNamesOfDomainsHaveNoPermissions() {
        #expect(guest.setPermissions("@releaseDomain/1", "n5") == .error(.EACCES))
        #expect(dom0.setPermissions("@releaseDomain/1", "n0") == .error(.ENOENT))
        #expect(guest.permissions("@releaseDomain/1") == .error(.EACCES))
        #expect(guest.permissions("@releaseDomain") == .text("n0|r32757|"))
    }
}
