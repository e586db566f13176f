// SPDX-License-Identifier: Apache-2.0
import QuotasPolicy
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreKernel

/// Exactly as many are allowed as the limit says, 0 means unlimited, and dom0 has no limits.
@Suite struct QuotaTests {
    /// How to use up a resource: each use is allowed until the limit is reached.
    struct Use: CustomStringConvertible {
        var resource: Resource
        /// How many the guest has before the first use.
        var had = 0
        var use: @Sendable (Caller, Int) -> Reply
        var description: String { "\(resource.name)" }
    }

    static let uses: [Use] = [
        // The home counts.
        Use(resource: .nodes, had: 1) { $0.write("n\($1)") },
        Use(resource: .nodes, had: 1) { $0.mkdir("n\($1)") },
        Use(resource: .watches) { $0.watch("w", "\($1)") },
        Use(resource: .transactions) { caller, _ in caller.ask(.transactionStart, "\0") },
    ]

    @Test(arguments: uses, [1, 2, 3, 10])
    func exactlyTheLimitIsAllowed(use: Use, limit: Int) throws {
        let house = try House(limits: [use.resource: limit])
        let guest = house.guest(5)
        for number in use.had..<limit { #expect(!use.use(guest, number).isError) }
        #expect(use.use(guest, limit) == .error(.ENOSPC))
        #expect(use.use(guest, limit) == .error(.ENOSPC), "and it stays so")
        house.expectSound()
    }

    @Test(arguments: uses)
    func zeroMeansUnlimited(use: Use) throws {
        let guest = try House(limits: [use.resource: 0]).guest(5)
        for number in 0..<1100 { #expect(!use.use(guest, number).isError) }
    }

    @Test(arguments: uses)
    func aDomainsOwnLimitCounts(use: Use) throws {
        let house = try House(limits: [use.resource: 2], own: [6: [use.resource: 4], 7: [use.resource: 0]])
        for (domain, limit) in [(5, 2), (6, 4)] as [(UInt16, Int)] {
            let guest = house.guest(domain)
            for number in use.had..<limit { #expect(!use.use(guest, number).isError) }
            #expect(use.use(guest, limit) == .error(.ENOSPC))
        }
        let guest = house.guest(7)
        for number in 0..<50 { #expect(!use.use(guest, number).isError) }
    }

    @Test(arguments: uses)
    func dom0HasNoLimits(use: Use) throws {
        let house = try House(limits: [use.resource: 1])
        for number in 0..<50 { #expect(!use.use(house.dom0, number).isError) }
    }

    @Test(arguments: uses)
    func aLimitMayBeChangedAtAnyTime(use: Use) throws {
        let house = try House(limits: [use.resource: 2])
        let guest = house.guest(5)
        for number in use.had..<2 { _ = use.use(guest, number) }
        #expect(use.use(guest, 2) == .error(.ENOSPC))
        #expect(house.dom0.ask(.setQuota, "5\0\(use.resource.name)\03\0") == .ok)
        #expect(!use.use(guest, 3).isError)
        #expect(use.use(guest, 4) == .error(.ENOSPC))
        #expect(
            house.dom0.ask(.setQuota, "5\0\(use.resource.name)\01\0") == .ok, "below what it has: it just does not grow"
        )
        #expect(use.use(guest, 5) == .error(.ENOSPC))
        #expect(house.dom0.ask(.control, "quota\0set\0\(use.resource.name)\0100\0") == .ok)
        #expect(use.use(guest, 6) == .error(.ENOSPC), "its own limit counts")
        #expect(house.dom0.ask(.setQuota, "5\0\(use.resource.name)\00\0") == .ok)
        #expect(!use.use(guest, 7).isError)
    }

    // MARK: Giving back

    @Test func freedResourcesMayBeUsedAgain() throws {
        let house = try House(limits: [.nodes: 4, .watches: 1, .transactions: 1])
        let guest = house.guest(5)
        for _ in 0..<20 {
            #expect(guest.write("a/b/c") == .ok)
            #expect(guest.write("a/b/d") == .error(.ENOSPC))
            #expect(guest.rm("a") == .ok)
            #expect(guest.watch("a") == .ok)
            #expect(guest.unwatch("a") == .ok)
            #expect(guest.abort(guest.start()) == .ok)
        }
        house.expectSound()
    }

    @Test func removalByOthersCountsToo() throws {
        let house = try House(limits: [.nodes: 2])
        let guest = house.guest(5)
        #expect(guest.write("a") == .ok)
        house.dom0.rm("/local/domain/5/a")
        #expect(guest.write("b") == .ok)
        house.dom0.setPermissions("/local/domain/5/b", "n6")
        #expect(house.usage(6).nodes == 1)
        #expect(house.usage(5).nodes == 1)
    }

    /// XSA-414: a creation of several nodes is all or nothing.
    @Test(arguments: 1...4)
    func aDeepCreationIsAllOrNothing(room: Int) throws {
        let house = try House(limits: [.nodes: 1 + room])
        let guest = house.guest(5)
        let before = Contents(of: house.store)
        let fits = room == 4
        #expect(guest.write("a/b/c/d") == (fits ? .ok : .error(.ENOSPC)))
        if !fits { #expect(Contents(of: house.store) == before) }
        #expect(house.usage(5).nodes == (fits ? 5 : 1))
        house.expectSound()
    }

    /// XSA-415.
    @Test func aDeepCreationInATransactionIsAllOrNothing() throws {
        let house = try House(limits: [.nodes: 3])
        let guest = house.guest(5)
        let before = Contents(of: house.store)
        let transaction = guest.start()
        #expect(guest.write("a/b/c/d", in: transaction) == .error(.ENOSPC))
        #expect(guest.list("/local/domain/5", in: transaction) == .text(""))
        #expect(guest.commit(transaction).isError)
        #expect(Contents(of: house.store) == before)
        house.expectSound()
    }

    /// XSA-421.
    @Test func comingAndGoingInTransactionsIsNotMiscounted() throws {
        let house = try House(limits: [.nodes: 3])
        let guest = house.guest(5)
        guest.write("kept")
        for _ in 0..<50 {
            let transaction = guest.start()
            #expect(guest.write("a", in: transaction) == .ok)
            #expect(guest.rm("a", in: transaction) == .ok)
            #expect(guest.rm("kept", in: transaction) == .ok)
            #expect(guest.write("b/c", in: transaction) == .ok)
            #expect(guest.write("d", in: transaction) == .error(.ENOSPC))
            #expect(guest.abort(transaction) == .ok)
        }
        #expect(house.usage(5).nodes == 2)
        #expect(guest.write("a") == .ok)
        #expect(guest.write("b") == .error(.ENOSPC))
        house.expectSound()
    }

    // MARK: Sizes

    @Test func aNodeHasAsManyBytesAsItsLimit() throws {
        let guest = try House(limits: [.nodeSize: 100]).guest(5)
        #expect(guest.write("x", String(repeating: "v", count: 100 - 16 - 8)) == .ok)
        #expect(guest.write("x", String(repeating: "v", count: 100 - 16 - 8 + 1)) == .error(.ENOSPC))
        #expect(guest.write("y", String(repeating: "v", count: 100 - 16 - 8 + 1)) == .error(.ENOSPC))
        #expect(guest.setPermissions("x", "n5", "r1") == .error(.ENOSPC))
        guest.write("x", String(repeating: "v", count: 100 - 16 - 16))
        #expect(guest.setPermissions("x", "n5", "r1") == .ok)
    }

    @Test func childrenDoNotCountToANodesSize() throws {
        let guest = try House(limits: [.nodeSize: 100]).guest(5)
        for number in 0..<100 { #expect(guest.write("d/\(number)") == .ok) }
    }

    /// XSA-115: what is too large already may still be removed, and read in a transaction.
    @Test func aTooLargeNodeCanBeRemoved() throws {
        let house = try House(limits: [.nodeSize: 50])
        let guest = house.guest(5)
        house.dom0.write("/local/domain/5/big/x", "")
        house.dom0.write("/local/domain/5/big", String(repeating: "v", count: 500))
        #expect(guest.rm("big/x") == .ok)
        let transaction = guest.start()
        #expect(guest.read("big", in: transaction) == .text(String(repeating: "v", count: 500)))
        #expect(guest.rm("big", in: transaction) == .ok)
        #expect(guest.commit(transaction) == .ok)
    }

    @Test(arguments: [1, 5, 6])
    func permissionsAreAsManyAsTheirLimit(limit: Int) throws {
        let house = try House(limits: [.nodePermissions: limit])
        let guest = house.guest(5)
        guest.write("x")
        func set(_ count: Int, _ caller: Caller) -> Reply {
            caller.ask(.setPermissions, "/local/domain/5/x\0n5\0" + (1..<count).map { "r\($0)\0" }.joined())
        }
        #expect(set(limit, guest) == .ok)
        #expect(set(limit + 1, guest) == .error(.ENOSPC))
        #expect(set(limit + 1, house.dom0) == .ok)
    }

    // MARK: Memory

    @Test func memoryIsGivenUpToItsLimit() throws {
        let house = try House(limits: [.memory: 1000])
        let guest = house.guest(5)
        let room = 1000 - house.usage(5).memory
        let path = "/local/domain/5/x"
        // The node also takes 24 bytes of its own, and its reply waits for a moment.
        #expect(guest.write(path, String(repeating: "v", count: room - 24 - path.utf8.count)) == .ok)
        #expect(house.usage(5).memory == 1000)
        #expect(guest.write(path + "y", "") == .error(.EIO))
        #expect(guest.watch("w") == .error(.EIO))
        #expect(guest.read("x") != .none)
        house.expectSound()
    }

    @Test func transactionsTakeMemoryAndGiveItBack() throws {
        let house = try House(limits: [.memory: 20_000])
        let guest = house.guest(5)
        let before = house.usage(5)
        let transaction = guest.start()
        for number in 0..<10 {
            #expect(guest.write("\(number)", String(repeating: "v", count: 500), in: transaction) == .ok)
        }
        #expect(house.usage(5).memory > before.memory + 5000)
        house.expectSound()
        guest.abort(transaction)
        #expect("\(house.usage(5))" == "\(before)")
    }

    @Test func aTransactionBeyondMemoryCannotBeCommitted() throws {
        let house = try House(limits: [.memory: 3000])
        let guest = house.guest(5)
        let transaction = guest.start()
        for number in 0..<10 { guest.write("\(number)", String(repeating: "v", count: 500), in: transaction) }
        #expect(guest.commit(transaction) == .error(.ENOMEM))
        #expect(guest.list("/local/domain/5") == .text(""))
        house.expectSound()
    }

    /// What was allowed inside is allowed at the end: nobody else has changed anything, so trying again
    /// for ever, as EAGAIN says, would not help.
    @Test(arguments: Array(stride(from: 1000, through: 4000, by: 50)))
    func aTransactionThatFitsItsMemoryIsCommitted(limit: Int) throws {
        let house = try House(limits: [.memory: limit])
        let guest = house.guest(5)
        let transaction = guest.start()
        let replies = (0..<5).map { guest.write("\($0)", String(repeating: "v", count: 200), in: transaction) }
        let end = guest.commit(transaction)
        #expect(end == .ok || end == .error(.ENOMEM), "\(replies)")
        house.expectSound()
    }

    // MARK: The operator's view

    @Test func aLimitThatIsHitIsLoggedOnceInAWhile() throws {
        let house = try House(limits: [.nodes: 1])
        let guest = house.guest(5)
        for _ in 0..<10 { guest.write("x") }
        #expect(house.log(.warning).count == 1)
        #expect(house.log(.warning).first?.contains("domain 5") == true)
        #expect(house.log(.warning).first?.contains("nodes") == true)
    }
}
