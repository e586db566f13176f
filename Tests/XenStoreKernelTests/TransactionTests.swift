// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreKernel

/// The rules of TRANSACTION_START and TRANSACTION_END, and what a transaction tells watches.
@Suite final class TransactionTests: HouseSuite {
    // MARK: Start and end

    @Test func numbersGoUpFrom1AndAreEachConnectionsOwn() {
        #expect(dom0.ask(.transactionStart, "\0") == .text("1|"))
        #expect(dom0.ask(.transactionStart, "\0") == .text("2|"))
        dom0.abort(1)
        #expect(dom0.ask(.transactionStart, "\0") == .text("3|"))
        #expect(house.caller(0).ask(.transactionStart, "\0") == .text("1|"))
    }

    @Test func startInsideIsEBUSY() {
        let transaction = dom0.start()
        #expect(dom0.ask(.transactionStart, "\0", in: transaction) == .error(.EBUSY))
        #expect(dom0.ask(.transactionStart, "\0", in: 99) == .error(.ENOENT))
    }

    @Test(arguments: ["", "T", "F", "T\0\0", "X\0", "t\0", "TF\0", "\0"])
    func endWantsTOrF(payload: String) {
        #expect(dom0.ask(.transactionEnd, payload) == .error(.EINVAL))
        let transaction = dom0.start()
        #expect(dom0.ask(.transactionEnd, payload, in: transaction) == .error(.EINVAL))
        #expect(dom0.commit(transaction) == .ok, "it has stayed open")
    }

    @Test func endWithoutATransactionIsENOENT() {
        #expect(dom0.commit(0) == .error(.ENOENT))
        #expect(dom0.abort(0) == .error(.ENOENT))
    }

    @Test func anEndedTransactionIsGone() {
        for ends in [dom0.commit, dom0.abort] {
            let transaction = dom0.start()
            #expect(ends(transaction) == .ok)
            #expect(dom0.read("/tool", in: transaction) == .error(.ENOENT))
            #expect(ends(transaction) == .error(.ENOENT))
        }
        #expect(house.usage(0).transactions == 0)
    }

    @Test func nothingIsSeenBeforeTheEnd() {
        let transaction = dom0.start()
        dom0.write("/a", "v", in: transaction)
        dom0.rm("/tool", in: transaction)
        dom0.setPermissions("/", "r0", in: transaction)
        #expect(dom0.read("/a") == .error(.ENOENT))
        #expect(dom0.list("/") == .names("tool"))
        #expect(dom0.permissions("/") == .text("n0|"))
        #expect(dom0.commit(transaction) == .ok)
        #expect(dom0.read("/a") == .text("v"))
        #expect(dom0.list("/") == .names("a"))
        #expect(dom0.permissions("/") == .text("r0|"))
    }

    @Test func abortedChangesNeverWere() {
        let transaction = dom0.start()
        dom0.write("/a/b", "v", in: transaction)
        dom0.rm("/tool", in: transaction)
        dom0.abort(transaction)
        #expect(dom0.list("/") == .names("tool"))
        house.expectSound()
    }

    @Test func seesItsOwnChanges() {
        dom0.write("/d/a")
        dom0.write("/d/b")
        let transaction = dom0.start()
        dom0.write("/d/c/e", "v", in: transaction)
        dom0.write("/d/b", "w", in: transaction)
        dom0.rm("/d/a", in: transaction)
        dom0.setPermissions("/d/c", "r7", in: transaction)
        #expect(dom0.list("/d", in: transaction) == .names("b", "c"))
        #expect(dom0.list("/d/c", in: transaction) == .names("e"))
        #expect(dom0.read("/d/c/e", in: transaction) == .text("v"))
        #expect(dom0.read("/d/b", in: transaction) == .text("w"))
        #expect(dom0.read("/d/a", in: transaction) == .error(.ENOENT))
        #expect(dom0.permissions("/d/c", in: transaction) == .text("r7|"))
        dom0.write("/d/a", "back", in: transaction)
        #expect(dom0.list("/d", in: transaction) == .names("b", "c", "a"))
        dom0.rm("/d/c", in: transaction)
        #expect(dom0.list("/d", in: transaction) == .names("b", "a"))
        #expect(dom0.commit(transaction) == .ok)
        #expect(dom0.list("/d") == .names("b", "a"))
        #expect(dom0.read("/d/a") == .text("back"))
        house.expectSound()
    }

    @Test func aDirectoryMadeAgainIsEmpty() {
        dom0.write("/d/a/b")
        let transaction = dom0.start()
        dom0.rm("/d", in: transaction)
        #expect(dom0.read("/d/a/b", in: transaction) == .error(.ENOENT))
        dom0.mkdir("/d", in: transaction)
        #expect(dom0.list("/d", in: transaction) == .text(""))
        dom0.write("/d/a/c", in: transaction)
        #expect(dom0.list("/d/a", in: transaction) == .names("c"))
        #expect(dom0.commit(transaction) == .ok)
        #expect(dom0.list("/d/a") == .names("c"))
        house.expectSound()
    }

    @Test func permissionsCountInsideToo() {
        let guest = house.guest(5)
        let transaction = guest.start()
        #expect(guest.write("/tool/x", in: transaction) == .error(.EACCES))
        #expect(guest.read("/none", in: transaction) == .error(.EACCES))
        #expect(guest.read("none", in: transaction) == .error(.ENOENT))
        #expect(guest.write("x", "v", in: transaction) == .ok)
        #expect(guest.permissions("x", in: transaction) == .text("n5|"))
        #expect(guest.commit(transaction) == .ok)
        #expect(dom0.permissions("/local/domain/5/x") == .text("n5|"))
    }

    @Test func aClientThatVanishesCommitsNothing() {
        let other = house.caller(0)
        let transaction = other.start()
        other.write("/a", in: transaction)
        other.client.hangUp()
        #expect(dom0.list("/") == .names("tool"))
        #expect(house.store.history.snapshots.isEmpty)
        house.expectSound()
    }

    @Test func specialsMayBeChangedInside() {
        dom0.listen("@releaseDomain")
        let transaction = dom0.start()
        #expect(dom0.setPermissions("@releaseDomain", "n0", "r9", in: transaction) == .ok)
        #expect(dom0.permissions("@releaseDomain", in: transaction) == .text("n0|r9|"))
        #expect(dom0.permissions("@releaseDomain") == .text("n0|r32757|"))
        #expect(dom0.commit(transaction) == .ok)
        #expect(dom0.permissions("@releaseDomain") == .text("n0|r9|"))
        #expect(dom0.takeEvents() == ["@releaseDomain|t|"])
    }

    // MARK: Events

    @Test func tellsAtTheEndEachNodeOnceInTheOrderOfFirstAccess() {
        dom0.write("/z", "v")
        dom0.listen("/")
        let transaction = dom0.start()
        _ = dom0.read("/z", in: transaction)
        dom0.write("/b", "1", in: transaction)
        dom0.write("/a", "1", in: transaction)
        dom0.write("/b", "2", in: transaction)
        dom0.setPermissions("/a", "r0", in: transaction)
        dom0.write("/z", "w", in: transaction)
        #expect(dom0.takeEvents() == [])
        #expect(dom0.commit(transaction) == .ok)
        #expect(dom0.takeEvents() == ["/z|t|", "/b|t|", "/a|t|"])
    }

    @Test func tellsBeforeTheReply() {
        dom0.listen("/")
        let transaction = dom0.start()
        dom0.write("/a", in: transaction)
        dom0.client.send(Operation.transactionEnd.rawValue, transaction: transaction, Array("T\0".utf8))
        house.host.settle()
        #expect(dom0.client.takeMessages().map(\.description) == ["WATCH_EVENT /a|t|", "TRANSACTION_END OK|"])
    }

    @Test func aNodeThatCameAndWentInsideFiresNoWatch() {
        dom0.listen("/")
        let transaction = dom0.start()
        dom0.write("/a/b", in: transaction)
        dom0.rm("/a", in: transaction)
        dom0.commit(transaction)
        #expect(dom0.takeEvents() == [])
    }

    @Test func implicitParentsAreNotTold() {
        dom0.listen("/")
        let transaction = dom0.start()
        dom0.mkdir("/a/b/c", in: transaction)
        dom0.commit(transaction)
        #expect(dom0.takeEvents() == ["/a/b/c|t|"])
    }

    @Test func removalTellsExactWatchesBelow() {
        dom0.write("/t/a/b")
        for path in ["/t", "/t/a/b", "/t/a/x"] { dom0.listen(path, path) }
        let transaction = dom0.start()
        dom0.rm("/t", in: transaction)
        dom0.commit(transaction)
        #expect(Set(dom0.takeEvents()) == ["/t|/t|", "/t/a/b|/t/a/b|"])
    }

    @Test func aReplacedNodeFiresOnce() {
        dom0.write("/d/a")
        dom0.listen("/d/a")
        let transaction = dom0.start()
        dom0.rm("/d", in: transaction)
        dom0.write("/d/a", "v", in: transaction)
        dom0.commit(transaction)
        #expect(dom0.takeEvents() == ["/d/a|t|"])
    }

    @Test func failedAndAbortedTransactionsTellNothing() {
        dom0.write("/x", "v")
        let (first, second) = (dom0.start(), dom0.start())
        for transaction in [first, second] {
            _ = dom0.read("/x", in: transaction)
            dom0.write("/y", in: transaction)
        }
        dom0.write("/x", "w")
        dom0.listen("/")
        #expect(dom0.commit(first) == .error(.EAGAIN))
        #expect(dom0.abort(second) == .ok)
        #expect(dom0.takeEvents() == [])
        house.expectSound()
    }

    // MARK: Poison

    @Test func aTransactionOutOfRoomCannotBeCommitted() throws {
        let house = try House(limits: [.nodes: 3])
        let guest = house.guest(5)
        let transaction = guest.start()
        #expect(guest.write("a", in: transaction) == .ok)
        #expect(guest.write("b/c/d/e", in: transaction) == .error(.ENOSPC))
        #expect(guest.write("b", in: transaction) == .ok)
        #expect(guest.commit(transaction) == .error(.ENOMEM))
        #expect(guest.list("") == .error(.EINVAL))
        #expect(guest.list("/local/domain/5") == .text(""))
        #expect(house.usage(5).nodes == 1)
        house.expectSound()
    }

    @Test func tooManyNodesPoison() throws {
        let house = try House(limits: [.transactionNodes: 10])
        let guest = house.guest(5)
        for number in 0..<11 { guest.write("\(number)") }
        let transaction = guest.start()
        for number in 0..<10 { #expect(guest.read("\(number)", in: transaction) == .text("")) }
        #expect(guest.read("3", in: transaction) == .text(""), "not another node")
        #expect(guest.read("10", in: transaction) == .error(.ENOSPC))
        #expect(guest.commit(transaction) == .error(.ENOMEM))
    }

    @Test func exactlyAsManyNodesAreFine() throws {
        let house = try House(limits: [.transactionNodes: 10])
        let guest = house.guest(5)
        for number in 0..<10 { guest.write("\(number)") }
        let transaction = guest.start()
        for number in 0..<10 { #expect(guest.write("\(number)", "v", in: transaction) == .ok) }
        #expect(guest.commit(transaction) == .ok)
        #expect(guest.read("9") == .text("v"))
    }

    @Test func refusalsForOtherReasonsDoNotPoison() {
        let guest = house.guest(5)
        let transaction = guest.start()
        #expect(guest.write("/tool", in: transaction) == .error(.EACCES))
        #expect(guest.ask(.write, "//\0", in: transaction) == .error(.EINVAL))
        guest.write("a", "v", in: transaction)
        #expect(guest.commit(transaction) == .ok)
        #expect(guest.read("a") == .text("v"))
    }
}
