// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

import struct TestSupport.Randomness

@testable import XenStoreKernel

/// Nobody waits for long on somebody else's requests: work is linear, and a turn holds only so much.
@Suite struct TurnTests {
    // MARK: Linear

    /// Time of the best of some goes, in nanoseconds.
    private func time(_ work: () -> Void) -> Double {
        let clock = ContinuousClock()
        return (0..<5).map { _ in Double(clock.measure(work).components.attoseconds) / 1e9 }.min() ?? 0
    }

    /// One chain of 1,500 nodes beside fifty of 30. What costs the square of the depth takes some twenty times
    /// as long here.
    @Test(arguments: [false, true])
    func aDeepSubtreeCostsWhatAWideOneDoes(inTransaction: Bool) throws {
        let dom0 = try House().dom0
        dom0.listen("/", "all")
        func churn(_ paths: [String]) {
            let transaction = inTransaction ? dom0.start() : 0
            for path in paths {
                dom0.mkdir(path, in: transaction)
                dom0.rm("/\(path.split(separator: "/")[0])", in: transaction)
            }
            if transaction != 0 { dom0.commit(transaction) }
            _ = dom0.takeEvents()
        }
        let deep = time { churn(["/d" + String(repeating: "/d", count: 1499)]) }
        let flat = time { churn((0..<50).map { "/\($0)" + String(repeating: "/d", count: 29) }) }
        #expect(deep < 6 * flat, "\(deep) and \(flat) ns")
    }

    /// What others change while a transaction is open does not make its end long.
    @Test func aTransactionsEndDoesNotFreeAllThatOthersHaveWritten() throws {
        let house = try House()
        let guest = house.guest(5)
        for number in 0..<5000 { house.dom0.write("/n/\(number)") }
        let transaction = guest.start()
        for number in 0..<5000 { house.dom0.write("/n/\(number)", "new") }
        guest.send(.transactionEnd, "F\0", in: transaction)
        house.host.endTurn()
        #expect(guest.takeReplies() == [.ok])
        #expect(house.store.history.versionCount > 3000)
        #expect(house.host.settle() == .forever)
        #expect(house.store.history.versionCount == 0)
        #expect(house.store.history.snapshots.isEmpty)
        house.expectSound()
    }

    /// A younger snapshot is closed first, and a node that it has kept has versions that only the older one kept.
    @Test func leftoversOfSeveralTransactionsMayComeInAnyOrder() throws {
        let house = try House()
        for number in 0..<700 { house.dom0.write("/n/\(number)") }
        let old = house.dom0.start()
        for number in 0..<700 { house.dom0.write("/n/\(number)", "new") }
        let young = house.dom0.start()
        house.dom0.rm("/n")
        house.dom0.send(.transactionEnd, "F\0", in: young)
        house.dom0.send(.transactionEnd, "F\0", in: old)
        #expect(house.host.settle() == .forever)
        #expect(house.store.history.versionCount == 0)
        #expect(house.store.nodes.used == house.store.count)
        house.expectSound()
    }

    // MARK: Turns

    /// A guest with a transaction whose end costs as much as it may.
    private func costly(_ domain: UInt16, in house: House) -> (guest: Caller, transaction: UInt32) {
        let guest = house.guest(domain)
        let transaction = guest.start()
        let deep = String(repeating: "d/", count: 600) + "d"
        for _ in 0..<4 {
            #expect(guest.mkdir(deep, in: transaction) == .ok)
            #expect(guest.rm("d", in: transaction) == .ok)
        }
        return (guest, transaction)
    }

    @Test func aTurnHoldsOneCostlyEnd() throws {
        let house = try House()
        let hostile = (1...20).map { costly($0, in: house) }
        let innocent = house.guest(99)
        house.host.advance(milliseconds: 10_000)
        for (guest, transaction) in hostile { guest.send(.transactionEnd, "T\0", in: transaction) }
        var turns = 0
        var ended = 0
        while ended < 20, turns < 100 {
            turns += 1
            house.dom0.send(.read, "/tool\0")
            innocent.send(.write, "x\0")
            house.host.endTurn()
            #expect(house.dom0.takeReplies() == [.text("")], "dom0 is served in each turn")
            #expect(innocent.takeReplies() == [.ok], "and so is a guest that asks for little")
            let answers = hostile.flatMap { $0.guest.takeReplies() }
            #expect(answers.count <= 1)
            #expect(answers.allSatisfy { $0 == .ok })
            ended += answers.count
        }
        #expect(ended == 20)
        house.expectSound()
    }

    /// What is done in drafts and never committed is work, too.
    @Test func abortedRemovalsDoNotFillATurn() throws {
        let house = try House(limits: [.outstanding: 0])
        let guest = house.guest(5)
        guest.mkdir(String(repeating: "d/", count: 900) + "d")
        for number in 1...40 {
            guest.send(.transactionStart, "\0")
            guest.send(.remove, "d\0", in: UInt32(number))
            guest.send(.transactionEnd, "F\0", in: UInt32(number))
        }
        var turns = 0
        var answered = 0
        while answered < 120, turns < 200 {
            house.host.endTurn()
            turns += 1
            answered += guest.takeReplies().count
        }
        #expect(answered == 120)
        #expect(turns >= 20)
    }

    /// Guests that ask for much take turns; nobody is left out.
    @Test func guestsThatAskForMuchTakeTurns() throws {
        let house = try House(limits: [.outstanding: 0])
        let guests = (1...8).map { house.guest(UInt16($0)) }
        for guest in guests {
            for number in 0..<400 { guest.send(.write, "n\(number % 10)\0", number: UInt32(number)) }
        }
        var counts = Array(repeating: 0, count: 8)
        for _ in 0..<400 where counts.contains(where: { $0 < 400 }) {
            house.dom0.send(.read, "/tool\0")
            house.host.endTurn()
            #expect(house.dom0.takeReplies().count == 1)
            for (at, guest) in guests.enumerated() { counts[at] += guest.takeReplies().count }
        }
        #expect(counts.allSatisfy { $0 == 400 })
    }

    @Test func guestsWaitForAStorageThatIsBehindAndDom0DoesNot() throws {
        let storage = FailingStorage()
        let house = try House(storage: storage)
        let guest = house.guest(5)
        for _ in 0..<300 { #expect(guest.write("x") == .ok) }
        storage.load = 75
        #expect(house.dom0.write("/a") == .ok)
        guest.send(.write, "x\0")
        #expect(house.host.settle() == .until(house.host.now.advanced(byMilliseconds: 2)))
        #expect(guest.takeReplies() == [])
        #expect(house.dom0.write("/b") == .ok)
        storage.load = 74
        house.host.advance(milliseconds: 2)
        #expect(guest.takeReplies() == [.ok])
    }

    /// Somebody else's burden on storage is not for a guest that asks now and then.
    @Test func aGuestThatAsksForLittleWaitsForStorageLast() throws {
        let storage = FailingStorage()
        let house = try House(storage: storage)
        let guest = house.guest(5)
        storage.load = 99
        #expect(house.dom0.write("/a") == .ok)
        #expect(guest.write("x") == .ok)
        storage.load = 100
        #expect(house.dom0.write("/b") == .ok)
        guest.send(.write, "x\0")
        #expect(house.host.settle() == .until(house.host.now.advanced(byMilliseconds: 2)))
        storage.load = 99
        house.host.advance(milliseconds: 2)
        #expect(guest.takeReplies() == [.ok])
    }

    // MARK: Long lists

    @Test func longListsDoNotFillATurn() throws {
        let house = try House()
        for number in 0..<20_000 { house.dom0.write("/wide/\(number)") }
        let other = house.caller(0)
        // Marks help nobody who has the list changed before each part.
        var turns = 0
        for number in 0..<64 {
            other.send(.write, "/wide/n\(number)\0")
            other.send(.directoryPart, "/wide\0100000\0")
        }
        var answered = 0
        while answered < 128, turns < 1000 {
            house.host.endTurn()
            turns += 1
            let count = other.takeReplies().count
            #expect(count <= 8)
            answered += count
        }
        #expect(answered == 128)
    }

    @Test(arguments: [false, true])
    func partsOfAListAreTheSameFromAnywhere(inTransaction: Bool) throws {
        let house = try House()
        let dom0 = house.dom0
        let names = (0..<3000).map { "name\($0 * 7919 % 100_003)" }
        for name in names { dom0.write("/wide/\(name)") }
        let list = names.map { "\($0)|" }.joined()
        let transaction = inTransaction ? dom0.start() : 0
        if inTransaction { dom0.write("/elsewhere", in: transaction) }
        var random = Randomness(seed: 8)
        for _ in 0..<300 {
            let offset = Int.random(in: 0...list.utf8.count, using: &random)
            guard case .text(let part) = dom0.ask(.directoryPart, "/wide\0\(offset)\0", in: transaction) else {
                Issue.record("no part at \(offset)")
                return
            }
            let rest = part.drop { $0 != "|" }.dropFirst()
            let wanted = list.dropFirst(offset)
            let isAtEnd = rest.hasSuffix("||") || rest == "|"
            #expect(isAtEnd ? rest == wanted + "|" : wanted.hasPrefix(rest) && rest.utf8.count > 4000)
        }
    }

    /// A transaction that was poisoned has added nodes that are gone, and its generations come again in the store.
    @Test func marksOfADraftGoWithIt() throws {
        let house = try House(limits: [.transactionNodes: 0, .transactionWork: 0, .memory: 0, .nodes: 0])
        let guest = house.guest(5)
        guest.mkdir("wide")
        let transaction = guest.start()
        let first = house.store.generation
        for number in 0..<900 { guest.write("wide/draft\(number)", in: transaction) }
        let drafted = guest.ask(.directoryPart, "wide\07000\0", in: transaction)
        #expect("\(drafted)".contains("\(first + 1800)|draft"), "\(drafted)")
        #expect(guest.write("n", String(repeating: "v", count: 3000), in: transaction) == .error(.ENOSPC))
        // The store's own list comes to the generation that the draft's had.
        while house.store.generation < first + 1799 { house.dom0.write("/elsewhere") }
        guest.write("wide/real")
        #expect(house.store.generation == first + 1800)
        guard case .text(let part) = guest.ask(.directoryPart, "wide\07000\0", in: transaction) else {
            Issue.record("no part")
            return
        }
        #expect(part == "\(first + 1800)||", "there is nothing that far")
    }

    @Test func marksOfAListThatHasChangedAreForgotten() throws {
        let dom0 = try House().dom0
        for number in 0..<2000 { dom0.write("/wide/\(10_000 + number)") }
        _ = dom0.ask(.directoryPart, "/wide\011000\0")
        dom0.rm("/wide/10000")
        dom0.rm("/wide/11000")
        guard case .text(let part) = dom0.ask(.directoryPart, "/wide\05994\0") else {
            Issue.record("no part")
            return
        }
        #expect(part.drop { $0 != "|" }.dropFirst().hasPrefix("11001|"))
    }
}
