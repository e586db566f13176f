// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreKernel

/// A turn's changes reach storage as one batch or have not happened.
@Suite final class GroupCommitTests: HouseSuite {
    let storage = FailingStorage()
    let other: Caller

    override init() throws {
        let house = try House(storage: storage)
        other = house.caller(0)
        super.init(in: house)
        dom0.write("/x", "old")
        dom0.write("/d/a")
    }

    /// Whatever was sent since the last turn is one turn, and storage fails it.
    private func failTurn() {
        storage.isFailing = true
        house.host.settle()
        storage.isFailing = false
    }

    // MARK: Batches

    @Test func oneTurnIsOneBatch() {
        let before = storage.commits
        for number in 0..<10 {
            dom0.send(.write, "/n/\(number)\0v")
            other.send(.write, "/m/\(number)\0v")
        }
        house.host.settle()
        #expect(storage.commits == before + 1)
        #expect(storage.nodes["/n/9"]?.value == Array("v".utf8))
    }

    @Test func readingCommitsNothing() {
        let before = storage.commits
        _ = dom0.read("/x")
        dom0.watch("/x")
        dom0.abort(dom0.start())
        #expect(storage.commits == before)
    }

    @Test func aNodeThatCameAndWentInOneTurnIsNotStored() {
        dom0.send(.write, "/n/a\0v")
        dom0.send(.remove, "/n\0")
        dom0.send(.remove, "/x\0")
        dom0.send(.write, "/x\0new")
        house.host.settle()
        #expect(storage.nodes["/n"] == nil)
        #expect(storage.nodes["/n/a"] == nil)
        #expect(storage.nodes["/x"]?.value == Array("new".utf8))
    }

    @Test func nothingLeavesBeforeStorageHasIt() {
        dom0.send(.write, "/x\0new")
        dom0.client.flush(dom0.session)
        #expect(dom0.takeAll() == [])
        house.host.settle()
        #expect(dom0.takeAll() == ["WRITE OK|"])
    }

    // MARK: Failure

    @Test(
        arguments: [
            (.write, "/x\0new"), (.write, "/n/m\0v"), (.makeDirectory, "/n\0"), (.remove, "/d\0"),
            (.setPermissions, "/x\0r5\0"),
        ] as [(Operation, String)])
    func aChangeIsEIOAndHasNotHappened(operation: Operation, payload: String) {
        let before = Contents(of: house.store)
        dom0.send(operation, payload)
        failTurn()
        #expect(dom0.takeReplies() == [.error(.EIO)])
        #expect(Contents(of: house.store) == before)
        house.expectSound()
        #expect(dom0.ask(operation, payload) == .ok)
        house.expectSound()
    }

    @Test func readsOfTheTurnAreAnsweredFromWhatIs() {
        dom0.send(.read, "/x\0")
        dom0.send(.write, "/x\0new")
        dom0.send(.read, "/x\0")
        other.send(.read, "/x\0")
        other.send(.directory, "/d\0")
        dom0.send(.write, "/d/b\0")
        other.send(.directory, "/d\0")
        failTurn()
        #expect(dom0.takeAll() == ["READ old", "ERROR EIO|", "READ old", "ERROR EIO|"])
        #expect(other.takeAll() == ["READ old", "DIRECTORY a|", "DIRECTORY a|"])
    }

    @Test func repliesThatDoNotConcernTheTreeStay() {
        dom0.send(.write, "/x\0new")
        dom0.send(.getDomainPath, "7\0")
        dom0.send(.watch, "/x\0t\0")
        dom0.client.send(99, [])
        failTurn()
        #expect(
            dom0.takeAll() == [
                "ERROR EIO|", "GET_DOMAIN_PATH /local/domain/7|", "WATCH OK|", "WATCH_EVENT /x|t|", "ERROR ENOSYS|",
            ])
        dom0.write("/x")
        #expect(dom0.takeEvents() == ["/x|t|"])
        #expect(house.watchCount == 1)
    }

    @Test func eventsOfTheTurnAreNotDelivered() {
        other.listen("/")
        dom0.write("/before")
        dom0.send(.write, "/x\0new")
        dom0.send(.write, "/x\0newer")
        dom0.send(.remove, "/d\0")
        failTurn()
        #expect(other.takeEvents() == ["/before|t|"])
        dom0.write("/x", "v")
        #expect(other.takeEvents() == ["/x|t|"])
    }

    @Test func aWatcherThatReadsSlowlyLosesNothing() {
        other.listen("/")
        other.client.appetite = 7
        dom0.write("/first")
        dom0.send(.write, "/lost\0")
        failTurn()
        dom0.write("/second")
        other.client.resume()
        #expect(other.takeEvents() == ["/first|t|", "/second|t|"])
    }

    @Test func aFlushInTheMiddleOfAFailingTurnSendsNothing() {
        other.listen("/")
        dom0.write("/earlier")
        dom0.send(.write, "/x\0new")
        other.client.flush(other.session)
        dom0.client.flush(dom0.session)
        failTurn()
        #expect(dom0.takeAll() == ["ERROR EIO|"])
        #expect(other.takeEvents() == ["/earlier|t|"])
    }

    @Test func theLogReportsFailureAndRecoveryOnce() {
        storage.isFailing = true
        for _ in 0..<5 { #expect(dom0.write("/x") == .error(.EIO)) }
        storage.isFailing = false
        for _ in 0..<5 { #expect(dom0.write("/x") == .ok) }
        #expect(house.log(.error).count == 1)
        #expect(house.log(.notice).count == 1)
        storage.isFailing = true
        dom0.write("/x")
        #expect(house.log(.error).count == 2)
    }

    @Test func readersGoOnWhileStorageFails() {
        storage.isFailing = true
        for _ in 0..<3 {
            #expect(dom0.read("/x") == .text("old"))
            #expect(dom0.write("/x", "new") == .error(.EIO))
        }
    }

    @Test func aClientThatVanishesInTheTurnLeavesNothing() {
        other.send(.write, "/x\0new")
        other.send(.transactionStart, "\0")
        dom0.send(.write, "/y\0new")
        other.client.hangUp()
        failTurn()
        #expect(dom0.takeReplies() == [.error(.EIO)])
        #expect(dom0.read("/x") == .text("old"))
        house.expectSound()
    }

    @Test func guestsAreCountedAsBefore() throws {
        let guest = house.guest(5)
        guest.write("a", "v")
        let before = house.usage(5)
        for number in 0..<5 { guest.send(.write, "n\(number)\0value") }
        guest.send(.remove, "a\0")
        guest.send(.read, "a\0")
        guest.client.appetite = 0
        failTurn()
        house.expectSound()
        guest.client.resume()
        #expect(guest.takeReplies() == Array(repeating: .error(.EIO), count: 6) + [.text("v")])
        #expect("\(house.usage(5))" == "\(before)")
    }

    // MARK: Transactions

    @Test func anEndOfTheTurnIsEIOAndTheTransactionIsGone() {
        let transaction = dom0.start()
        dom0.write("/x", "new", in: transaction)
        dom0.write("/n/m", in: transaction)
        dom0.send(.transactionEnd, "T\0", in: transaction)
        failTurn()
        #expect(dom0.takeReplies() == [.error(.EIO)])
        #expect(dom0.read("/x") == .text("old"))
        #expect(dom0.commit(transaction) == .error(.ENOENT))
        #expect(house.store.history.snapshots.isEmpty)
        house.expectSound()
    }

    @Test func olderTransactionsGoOn() {
        let transaction = other.start()
        other.write("/t", "v", in: transaction)
        dom0.send(.write, "/x\0new")
        other.send(.read, "/x\0", in: transaction)
        other.send(.write, "/u\0", in: transaction)
        failTurn()
        #expect(other.takeAll() == ["READ old", "WRITE OK|"])
        #expect(other.commit(transaction) == .ok)
        #expect(other.read("/t") == .text("v"))
        house.expectSound()
    }

    @Test func aTransactionThatShowsTheTurnIsNotStarted() {
        dom0.send(.write, "/x\0new")
        other.send(.transactionStart, "\0")
        other.send(.read, "/x\0", in: 1)
        failTurn()
        #expect(other.takeAll() == ["ERROR EIO|", "ERROR EIO|"])
        #expect(house.usage(0).transactions == 0)
        #expect(house.store.history.snapshots.isEmpty)
        house.expectSound()
    }

    /// It showed what never was, and is over already: nobody may have read that.
    @Test(arguments: ["F", "T"])
    func repliesOfATransactionEndedInTheTurnAreNotSent(end: String) {
        dom0.send(.write, "/x\0new")
        other.send(.transactionStart, "\0")
        other.send(.read, "/x\0", in: 1)
        other.send(.transactionEnd, "\(end)\0", in: 1)
        failTurn()
        let told = other.takeAll()
        #expect(told.count == 3)
        #expect(!told.contains("READ new"))
        house.expectSound()
    }

    @Test func aConflictInTheTurnUndoesOnlyItself() {
        let transaction = other.start()
        _ = other.read("/x", in: transaction)
        other.write("/y", in: transaction)
        dom0.send(.write, "/x\0new")
        dom0.send(.write, "/n/m\0")
        other.send(.transactionEnd, "T\0", in: transaction)
        dom0.send(.remove, "/d\0")
        house.host.settle()
        #expect(other.takeReplies() == [.error(.EAGAIN)])
        #expect(dom0.takeReplies() == [.ok, .ok, .ok])
        #expect(dom0.list("/") == .names("tool", "x", "n"))
        #expect(storage.nodes["/y"] == nil)
        #expect(storage.nodes["/n/m"] != nil)
        house.expectSound()
    }

    @Test func nothingIsKeptAfterwards() {
        for round in 0..<50 {
            let transaction = dom0.start()
            dom0.write("/t/\(round)", in: transaction)
            other.send(.write, "/x\0\(round)")
            other.send(.remove, "/d\0")
            dom0.send(.transactionEnd, "T\0", in: transaction)
            if round % 2 == 0 { failTurn() } else { house.host.settle() }
        }
        #expect(house.store.history.snapshots.isEmpty)
        #expect(house.store.history.versionCount == 0)
        #expect(house.store.nodes.used == house.store.count)
    }
}
