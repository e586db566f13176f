// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

import struct TestSupport.Slow

@testable import XenStoreEngine
@testable import XenStoreKernel

/// What a transaction of a guest may make the daemon keep and do, and what becomes of one that wants more.
@Suite struct TransactionBoundTests {
    /// What one transaction may hold: the quota of memory, and what is kept before the first request.
    private static let memory = 100_000

    private static func house(_ limits: [Resource: Int] = [:]) throws -> House {
        try House(limits: [.memory: memory].merging(limits) { $1 })
    }

    /// Floods that each filled memory: all of a transaction's requests were kept, failed ones as well.
    struct Flood: CustomTestStringConvertible {
        var testDescription: String
        var request: @Sendable (Caller, Int, UInt32) -> Reply
    }

    static let floods = [
        Flood(testDescription: "writes of 4,000 bytes, each refused") { caller, _, transaction in
            caller.write("n", String(repeating: "v", count: 4000), in: transaction)
        },
        Flood(testDescription: "reads of ever new paths, none of which is there") { caller, number, transaction in
            caller.read("none/\(number)", in: transaction)
        },
        Flood(testDescription: "writes, once the quota is reached") { caller, number, transaction in
            caller.write("n\(number % 50)", String(repeating: "v", count: 1000), in: transaction)
        },
        Flood(testDescription: "permissions") { caller, number, transaction in
            caller.setPermissions("x", "n5", "r\(number)", in: transaction)
        },
        Flood(testDescription: "deep nodes that come and go") { caller, number, transaction in
            number % 2 == 0
                ? caller.mkdir(String(repeating: "d/", count: 300) + "d", in: transaction)
                : caller.rm("d", in: transaction)
        },
    ]

    @Test(.slow, arguments: floods, [0, 1024])
    func aFloodInATransactionKeepsNothing(flood: Flood, requests: Int) throws {
        let house = try TransactionBoundTests.house([.transactionRequests: requests, .transactionNodes: requests])
        let guest = house.guest(5)
        guest.write("x")
        let transaction = guest.start()
        for number in 0..<3000 {
            _ = flood.request(guest, number, transaction)
            #expect(house.usage(5).memory <= TransactionBoundTests.memory)
        }
        let open = try #require(guest.session.transactions[transaction])
        #expect(open.draft == nil, "it was poisoned on the way")
        #expect(open.log.entries.isEmpty)
        #expect(open.memory < 1000)
        house.expectSound()
        #expect(guest.commit(transaction) == .error(.ENOMEM))
        #expect(house.store.history.snapshots.isEmpty)
        house.expectSound()
    }

    @Test(arguments: [Operation.read, .write])
    func failedRequestsCountToTheQuotaOfRequests(operation: Operation) throws {
        let house = try TransactionBoundTests.house([.transactionRequests: 5])
        let guest = house.guest(5)
        let transaction = guest.start()
        for _ in 0..<5 { #expect(guest.ask(operation, "a\0", in: transaction) != .error(.ENOSPC)) }
        #expect(guest.ask(operation, "a\0", in: transaction) == .error(.ENOSPC))
        #expect(guest.read("a", in: transaction) == .error(.ENOSPC), "and it stays so")
        #expect(guest.commit(transaction) == .error(.ENOMEM))
        #expect(guest.read("a") == .error(.ENOENT))
        #expect(house.log(.warning).contains { $0.contains("transaction-requests, which is 5") })
    }

    /// `xl create` reads the name of every domain in one.
    @Test func dom0IsExempt() throws {
        let house = try TransactionBoundTests.house([.transactionRequests: 5, .transactionWork: 5])
        let transaction = house.dom0.start()
        for number in 0..<2000 { #expect(house.dom0.write("/a/\(number)", in: transaction) == .ok) }
        #expect(house.dom0.commit(transaction) == .ok)
    }

    @Test func nodesOfFailedRequestsCount() throws {
        let house = try TransactionBoundTests.house([.transactionNodes: 21])
        let guest = house.guest(5)
        let transaction = guest.start()
        let replies = (0..<5000).map { guest.read("none\($0)", in: transaction) }
        #expect(replies.filter { $0 == .error(.ENOENT) }.count <= 21)
        #expect(replies.last == .error(.ENOSPC))
        #expect(guest.commit(transaction) == .error(.ENOMEM))
    }

    @Test func theCostOfAnEndIsBounded() throws {
        let house = try House()
        let guest = house.guest(5)
        let deep = String(repeating: "d/", count: 900) + "d"
        let transaction = guest.start()
        var rounds = 0
        while rounds < 650, guest.mkdir(deep, in: transaction) == .ok, guest.rm("d", in: transaction) == .ok {
            rounds += 1
        }
        #expect((2...8).contains(rounds), "some 16,000 touches of nodes")
        #expect(guest.commit(transaction) == .error(.ENOMEM))
        #expect(guest.list("/local/domain/5") == .text(""))
    }

    /// Events count as well, and whom they are for decides nothing but whether there are any.
    @Test func eventsCountToTheWorkOfTheEnd() throws {
        let house = try TransactionBoundTests.house([.transactionWork: 300])
        let guest = house.guest(5)
        for number in 0..<50 { guest.listen("x", "t\(number)") }
        let foreign = house.guest(6)
        for number in 0..<100 { foreign.listen("/local/domain/5", "t\(number)") }
        let one = guest.start()
        #expect(guest.write("x", in: one) == .ok)
        #expect(guest.commit(one) == .ok)
        #expect(guest.takeEvents().count == 50)
        let many = guest.start()
        for number in 0..<6 { #expect(guest.write("x/\(number)", in: many) == .ok) }
        #expect(guest.commit(many) == .error(.ENOSPC))
        #expect(guest.list("x") == .text(""))
        #expect(guest.takeEvents() == [])
        #expect(foreign.takeEvents() == [])
        house.expectSound()
    }

    /// What was a small subtree when the transaction removed it is a large one when it ends.
    @Test func aReplayDoesNoMoreThanTheTransactionHasPaidFor() throws {
        let house = try House()
        let guest = house.guest(5)
        guest.write("d/x")
        let transaction = guest.start()
        #expect(guest.rm("d", in: transaction) == .ok)
        for number in 0..<900 { guest.write("d/\(number)") }
        let before = Contents(of: house.store)
        #expect(guest.commit(transaction) == .error(.EAGAIN))
        #expect(Contents(of: house.store) == before)
        house.expectSound()
    }

    /// The undo of a commit that removes and makes the same nodes again and again.
    @Test(arguments: [3, 400])
    func aFailedCommitOfNodesThatComeAndGoLeavesAllAsItWas(depth: Int) throws {
        let house = try House()
        let guest = house.guest(5)
        let deep = String(repeating: "d/", count: depth - 1) + "d"
        for _ in 0..<3 {
            guest.mkdir(deep)
            let before = Contents(of: house.store)
            let transaction = guest.start()
            for _ in 0..<3 {
                #expect(guest.rm("d", in: transaction) == .ok)
                #expect(guest.mkdir(deep, in: transaction) == .ok)
            }
            _ = guest.read("ground", in: transaction)
            house.dom0.write("/local/domain/5/ground")
            #expect(guest.commit(transaction) == .error(.EAGAIN))
            house.dom0.rm("/local/domain/5/ground")
            #expect(Contents(of: house.store) == before)
            #expect(house.store.history.snapshots.isEmpty)
            house.expectSound()
        }
    }

    // MARK: What its snapshot pins

    @Test func valuesThatOthersOverwriteCountToTheReader() throws {
        let house = try TransactionBoundTests.house()
        let guest = house.guest(5)
        let value = String(repeating: "v", count: 2000)
        for number in 0..<30 { guest.write("n\(number)", value) }
        let had = house.usage(5).memory
        let transaction = guest.start()
        guest.write("mine", in: transaction)
        for number in 0..<10 { house.dom0.write("/local/domain/5/n\(number)", value) }
        #expect(house.usage(5).memory > had + 20_000)
        house.expectSound()
        for number in 10..<30 { house.dom0.write("/local/domain/5/n\(number)", value) }
        #expect(house.usage(5).memory <= TransactionBoundTests.memory)
        #expect(guest.read("n0", in: transaction) == .text(value), "it goes on")
        #expect(guest.commit(transaction) == .error(.EAGAIN))
        #expect(guest.read("mine") == .error(.ENOENT))
        house.expectSound()
    }

    @Test func theOldestIsGivenUpAndTheOthersCommit() throws {
        let house = try TransactionBoundTests.house()
        let guest = house.guest(5)
        let value = String(repeating: "v", count: 2000)
        for number in 0..<16 { guest.write("n\(number)", value) }
        let old = guest.start()
        for number in 0..<16 { house.dom0.write("/local/domain/5/n\(number)", value) }
        let young = guest.start()
        guest.write("a", in: young)
        guest.write("b", in: old)
        for number in 0..<16 { house.dom0.write("/local/domain/5/n\(number)", value) }
        #expect(guest.commit(young) == .ok)
        #expect(guest.commit(old) == .error(.EAGAIN))
        house.expectSound()
    }

    /// One request of dom0 replaces much that many may read: what is remembered of that is small.
    @Test func aReaderWithManyOldValuesIsListedOnce() throws {
        let house = try House(limits: [.memory: 0])
        house.dom0.write("/open")
        house.dom0.setPermissions("/open", "r0")
        for number in 0..<500 { house.dom0.write("/open/\(number)") }
        let guest = house.guest(5)
        for _ in 0..<10 { _ = guest.start() }
        let transaction = house.dom0.start()
        for number in 0..<500 { house.dom0.write("/open/\(number)", "new", in: transaction) }
        house.dom0.commit(transaction)
        #expect(guest.session.transactions.values.reduce(0) { $0 + ($1.draft?.pinned ?? 0) } > 50_000)
        #expect(house.engine.kernel.accounts.overdrawn.capacity < 64)
        house.expectSound()
    }

    /// Many WRITEs of one turn: the transaction that would have to pay goes as soon as it cannot, not with the turn.
    @Test func aTransactionIsGivenUpWithinATurn() throws {
        let house = try House(limits: [.memory: 40_000])
        house.dom0.write("/open")
        house.dom0.setPermissions("/open", "r0")
        let value = String(repeating: "x", count: 1000)
        for number in 0..<200 { house.dom0.write("/open/\(number)", value) }
        let guest = house.guest(5)
        let transaction = guest.start()
        var requests: [UInt8] = []
        for number in 0..<200 {
            requests += Message.bytes(Operation.write.rawValue, Array("/open/\(number)\0new".utf8))
        }
        house.dom0.client.send(bytes: requests)
        #expect(guest.session.transactions[transaction]?.state == .lost, "the turn has not ended yet")
        #expect(house.engine.kernel.store.history.versionCount < 100)
        house.host.settle()
        house.expectSound()
    }

    /// One guest cannot make another's transaction fail by writing what that one may not read.
    @Test func othersSecretsDoNotCount() throws {
        let house = try TransactionBoundTests.house([.nodeSize: 0])
        let guest = house.guest(5)
        let other = house.guest(6)
        let transaction = guest.start()
        guest.write("x", in: transaction)
        let had = house.usage(5).memory
        for round in 0..<30 {
            for number in 0..<20 { other.write("n\(number)", String(repeating: "\(round)", count: 2000)) }
            other.abort(other.start())
        }
        #expect(house.usage(5).memory == had)
        #expect(guest.commit(transaction) == .ok)
        house.expectSound()
    }

    /// Guests that work together keep each other's old values, which neither pays for: all that is bounded.
    @Test func oldValuesThatNobodyPaysForAreBounded() throws {
        let house = try House(limits: [.transactions: 0, .memory: 0, .nodes: 0])
        let keeper = house.guest(5)
        let writer = house.guest(6)
        let value = String(repeating: "v", count: 2000)
        var transactions: [UInt32] = []
        for _ in 0..<30 {
            transactions.append(keeper.start())
            for number in 0..<900 { writer.write("n\(number)", value) }
        }
        #expect(house.store.history.snapshots.unpaid <= 32 << 20)
        #expect(house.store.history.versionCount < 20_000)
        keeper.write("x", in: transactions[0])
        keeper.write("x", in: transactions[29])
        #expect(keeper.commit(transactions[29]) == .ok)
        #expect(keeper.commit(transactions[0]) == .error(.EAGAIN))
        house.expectSound()
    }

    /// A transaction of dom0 shows the same moment: what it keeps is not given up with the guest's.
    @Test(.timeLimit(.minutes(1)))
    func oldValuesThatDom0AlsoKeepsEndNoGuestsTransaction() throws {
        let house = try House(limits: [.memory: 0, .nodes: 0, .nodeSize: 0])
        let keeper = house.guest(5)
        let writer = house.guest(6)
        let (old, new) = (String(repeating: "v", count: 3900), String(repeating: "w", count: 3900))
        for number in 0..<9000 { writer.write("n\(number)", old) }
        let kept = (dom0: house.dom0.start(), guest: keeper.start())
        // More than may be unpaid.
        for number in 0..<9000 { writer.write("n\(number)", new) }
        #expect(house.store.history.snapshots.unpaid < 32 << 20, "dom0 has it kept, and need not pay")
        #expect(house.dom0.read("/local/domain/6/n0", in: kept.dom0) == .text(old))
        #expect(house.dom0.commit(kept.dom0) == .ok)
        keeper.write("x", in: kept.guest)
        #expect(keeper.commit(kept.guest) == .error(.EAGAIN))
        house.expectSound()
    }

    // MARK: Others

    @Test func aTransactionThatChangedNothingCommits() throws {
        let house = try House()
        let guest = house.guest(5)
        guest.write("x", "1")
        let transaction = guest.start()
        _ = guest.read("x", in: transaction)
        _ = guest.list("/local/domain/5", in: transaction)
        #expect(guest.write("/foreign", in: transaction) == .error(.EACCES))
        guest.mkdir("x", in: transaction)
        #expect(guest.rm("none", in: transaction) == .ok)
        house.dom0.write("/local/domain/5/x", "2")
        house.dom0.write("/local/domain/5/y")
        #expect(guest.commit(transaction) == .ok)
    }

    @Test func aPartOfARequestCountsAsMemory() throws {
        let house = try TransactionBoundTests.house()
        let guest = house.guest(5)
        let had = house.usage(5).memory
        let whole = Message.bytes(Operation.write.rawValue, Array(String(repeating: "v", count: 3000).utf8))
        guest.client.send(bytes: Array(whole.prefix(2900)))
        house.host.settle()
        #expect(house.usage(5).memory >= had + 2900)
        house.expectSound()
        guest.client.hangUp()
        #expect(house.usage(5).memory == had)
    }
}
