// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

import struct TestSupport.Randomness

@testable import XenStoreKernel

/// A large subtree is removed at once and freed in slices: clients see neither the slices nor the nodes that are left.
@Suite struct SubtreeTests {
    private static let slice = 4
    private static let count = 40

    private func makeHouse(limits: [Resource: Int] = [:], storage: FailingStorage? = nil) throws -> House {
        let house = try House(limits: limits, storage: storage)
        house.store.history.slices.smallTree = 3
        house.store.history.slices.nodes = SubtreeTests.slice
        return house
    }

    /// Makes a subtree with two levels.
    private func fill(_ top: String, _ caller: Caller) {
        for number in 0..<SubtreeTests.count / 4 {
            for name in ["a", "b", "c"] { caller.write("\(top)/\(number)/\(name)", "v") }
        }
    }

    /// Sends a request, and ends its turn only.
    private func askOnce(_ caller: Caller, _ operation: XenStoreWire.Operation, _ payload: String) -> Reply? {
        caller.send(operation, payload)
        caller.host.endTurn()
        return caller.client.takeMessages().last { !$0.isEvent }.map(Reply.init)
    }

    // MARK: Slices

    @Test(arguments: [false, true]) func othersAreAnsweredInEachTurnMeanwhile(stores: Bool) throws {
        let house = try makeHouse(storage: stores ? FailingStorage() : nil)
        let other = house.caller(0)
        fill("/d", house.dom0)
        other.write("/seen", "v")
        #expect(askOnce(house.dom0, .remove, "/d\0") == .ok)
        var turns = 0
        while house.store.history.mustFree {
            let before = house.store.nodes.used
            #expect(askOnce(other, .read, "/seen\0") == .text("v"))
            #expect(askOnce(other, .write, "/seen\0v") == .ok)
            #expect(askOnce(other, .read, "/d/1/a\0") == .error(.ENOENT))
            #expect(before - house.store.nodes.used <= 3 * SubtreeTests.slice)
            turns += 1
        }
        #expect(turns > 2)
        #expect(house.store.nodes.used == house.store.count)
        house.expectSound()
    }

    @Test func theCheckIsRightInBetween() throws {
        let house = try makeHouse()
        fill("/d", house.dom0)
        #expect(askOnce(house.dom0, .remove, "/d\0") == .ok)
        repeat { house.expectSound() } while house.host.endTurn() == .none
        house.expectSound()
    }

    @Test func newNodesAtTheSamePathsStay() throws {
        let storage = FailingStorage()
        let house = try makeHouse(storage: storage)
        fill("/d", house.dom0)
        house.dom0.send(.remove, "/d\0")
        house.dom0.send(.write, "/d/1/a\0new")
        house.host.endTurn()
        #expect(house.store.history.mustFree)
        #expect(askOnce(house.dom0, .directory, "/d\0") == .names("1"))
        #expect(askOnce(house.dom0, .directory, "/d/1\0") == .names("a"))
        house.host.settle()
        #expect(house.dom0.read("/d/1/a") == .text("new"))
        #expect(storage.nodes.keys.filter { $0.hasPrefix("/d") }.sorted() == ["/d", "/d/1", "/d/1/a"])
        house.expectSound()
    }

    @Test func anOlderTransactionStillSeesIt() throws {
        let house = try makeHouse()
        fill("/d", house.dom0)
        let transaction = house.dom0.start()
        #expect(askOnce(house.dom0, .remove, "/d\0") == .ok)
        let later = house.caller(0)
        let second = later.start()
        house.host.settle()
        #expect(house.dom0.read("/d/7/b", in: transaction) == .text("v"))
        #expect(house.dom0.list("/d/7", in: transaction) == .names("a", "b", "c"))
        #expect(later.read("/d/7/b", in: second) == .error(.ENOENT))
        house.dom0.abort(transaction)
        later.abort(second)
        #expect(house.store.nodes.used == house.store.count)
        house.expectSound()
    }

    @Test func aSubtreeInOneThatIsGoneGoesFirst() throws {
        let house = try makeHouse()
        for top in ["/d/x", "/d/y/z"] { fill(top, house.dom0) }
        let transaction = house.dom0.start()
        for path in ["/d/y/z", "/d/x/1/a", "/d/y", "/d"] { house.dom0.send(.remove, "\(path)\0") }
        house.host.endTurn()
        house.expectSound()
        house.dom0.abort(transaction)
        #expect(house.store.nodes.used == house.store.count)
        house.expectSound()
    }

    // MARK: Undone

    @Test func aFailedCommitBringsItBack() throws {
        let storage = FailingStorage()
        let house = try makeHouse(storage: storage)
        fill("/d", house.dom0)
        let before = Contents(of: house.store)
        storage.isFailing = true
        house.dom0.send(.write, "/d/1/new/x\0v")
        house.dom0.send(.remove, "/d/2\0")
        house.dom0.send(.remove, "/d\0")
        house.dom0.send(.write, "/d/1\0v")
        house.host.settle()
        #expect(house.dom0.takeReplies() == Array(repeating: .error(.EIO), count: 4))
        storage.isFailing = false
        #expect(Contents(of: house.store) == before)
        #expect(house.dom0.rm("/d") == .ok)
        #expect(house.store.nodes.used == house.store.count)
        house.expectSound()
    }

    // MARK: In transactions

    /// The events come in the order in which the transaction has touched the nodes, however it removes them.
    @Test(arguments: [1, .max]) func theEventsOfACommitAreInOrder(smallTree: Int) throws {
        let house = try makeHouse()
        house.store.history.slices.smallTree = smallTree
        let watcher = house.caller(0)
        for top in ["/d", "/e"] { fill(top, house.dom0) }
        let watched = ["/e/3/a", "/d/2", "/d/7/b", "/d", "/d/2/c", "/d/none", "/e", "/d/1/a", "/e/2/a", "/d/2/a"]
        for path in watched { watcher.listen(path) }
        let transaction = house.dom0.start()
        _ = house.dom0.read("/d/7/b", in: transaction)
        house.dom0.write("/d/2/new", "v", in: transaction)
        house.dom0.rm("/d/1/a", in: transaction)
        house.dom0.rm("/d/2", in: transaction)
        _ = house.dom0.read("/e", in: transaction)
        house.dom0.rm("/d", in: transaction)
        house.dom0.rm("/e", in: transaction)
        #expect(house.dom0.read("/d/2/new", in: transaction) == .error(.ENOENT))
        #expect(house.dom0.write("/d/2/a", "again", in: transaction) == .ok)
        #expect(house.dom0.list("/d/2", in: transaction) == .names("a"))
        #expect(house.dom0.commit(transaction) == .ok)
        let paths = watcher.takeEvents().map { String($0.prefix { $0 != "|" }) }
        #expect(paths == ["/d/7/b", "/d/2", "/d/1/a", "/d/2/a", "/d/2/c", "/e", "/d", "/e/2/a", "/e/3/a"])
        #expect(house.dom0.read("/d/2/a") == .text("again"))
        house.expectSound()
    }

    // MARK: Counts

    @Test func whatIsStillThereDoesNotCount() throws {
        let house = try makeHouse(limits: [.nodes: SubtreeTests.count + 3])
        let guest = house.guest(1)
        fill("d", guest)
        let nodes = house.usage(1).nodes
        #expect(guest.rm("x") == .ok)
        for number in 0..<3 { guest.write("more/\(number)") }
        #expect(askOnce(house.dom0, .remove, "/local/domain/1/d\0") == .ok)
        #expect(house.store.history.mustFree)
        #expect(house.usage(1).nodes > nodes - SubtreeTests.count)
        for number in 0..<SubtreeTests.count / 2 { #expect(askOnce(guest, .write, "e/\(number)\0") == .ok) }
        house.host.settle()
        let held = house.usage(1).nodes
        let quota = house.dom0.ask(.control, "quota\01\0")
        house.expectSound()
        guest.rm("e")
        #expect("\(quota)".contains(": \(String(repeating: " ", count: 8 - "\(held)".count))\(held) (max"))
    }

    @Test func aGuestAtItsLimitIsStillRefused() throws {
        let house = try makeHouse(limits: [.nodes: 3])
        let guest = house.guest(1)
        guest.write("a")
        guest.write("b")
        fill("/d", house.dom0)
        #expect(askOnce(house.dom0, .remove, "/d\0") == .ok)
        #expect(house.store.history.mustFree)
        #expect(askOnce(guest, .write, "c\0") == .error(.ENOSPC))
        #expect(askOnce(house.dom0, .remove, "/local/domain/1/a\0") == .ok)
        #expect(askOnce(guest, .write, "c\0") == .ok)
    }

    @Test func controlShowsWhatADomainHolds() throws {
        let house = try makeHouse()
        let guest = house.guest(1)
        fill("d", guest)
        let held = house.usage(1).nodes
        #expect(askOnce(house.dom0, .remove, "/local/domain/1/d\0") == .ok)
        let shown = askOnce(house.dom0, .control, "quota\01\0")
        #expect(house.store.history.mustFree)
        #expect(held == SubtreeTests.count + 2)
        #expect("\(String(describing: shown))".contains("nodes            :        1 (max"))
    }

    // MARK: As if removed node by node

    /// Two daemons get the same requests. One removes each subtree as a whole, and the other one node by node.
    @Test(arguments: 1...24 as ClosedRange<UInt64>, [false, true])
    func clientsCannotTellTheDifference(seed: UInt64, stores: Bool) throws {
        let storages = stores ? [FailingStorage(), FailingStorage()] : [nil, nil]
        let pair = try storages.map { try Run(storage: $0, seed: seed) }
        pair[0].house.store.history.slices.smallTree = 1
        pair[0].house.store.history.slices.nodes = 1
        pair[1].house.store.history.slices.smallTree = .max
        for round in 0..<150 {
            for run in pair { run.step() }
            #expect(pair[0].taken == pair[1].taken, "round \(round)")
            if pair[0].taken != pair[1].taken { return }
            if round % 25 == 0 { for run in pair { run.house.expectSound() } }
        }
        for run in pair { run.finish() }
        #expect(Contents(of: pair[0].house.store) == Contents(of: pair[1].house.store))
        #expect(storages[0]?.contents == storages[1]?.contents)
    }
}

extension FailingStorage {
    /// Everything but the generations, which differ.
    fileprivate var contents: [String: String] {
        nodes.mapValues { "\($0.value) \($0.permissions) \($0.children)" }
    }
}

/// Random requests to one daemon, and all that its clients get.
private final class Run {
    let house: House
    private var callers: [Caller]
    private var random: Randomness
    /// The messages of the last step.
    private(set) var taken: [String] = []

    init(storage: FailingStorage?, seed: UInt64) throws {
        house = try House(limits: [.nodes: 60, .watches: 20, .transactions: 4], storage: storage)
        callers = [house.caller(0), house.guest(1), house.guest(2)]
        random = Randomness(seed: seed)
    }

    func step() {
        house.storage?.isFailing = Int.random(in: 0..<8, using: &random) == 0
        for _ in 0..<Int.random(in: 1...8, using: &random) { send() }
        // The nodes that are left go in the turns that follow, and requests come in between.
        for _ in 0..<Int.random(in: 1...3, using: &random) { house.host.endTurn() }
        taken = callers.flatMap { $0.takeAll() }.map(withoutMemory)
    }

    /// The bytes that a snapshot pins of a large subtree are counted as the nodes are looked at.
    private func withoutMemory(_ message: String) -> String {
        message.split(separator: "\n").filter { !$0.hasPrefix("memory") }.joined(separator: "\n")
    }

    private func send() {
        let caller = callers[Int.random(in: 0..<callers.count, using: &random)]
        let isIn = Int.random(in: 0..<4, using: &random) == 0
        let transaction = isIn ? caller.session.lastTransaction : 0
        let path = path()
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<8: caller.send(.write, "\(path)\0v", in: transaction)
        case 8..<11: caller.send(.remove, "\(path)\0", in: transaction)
        case 11..<13: caller.send(.watch, "\(path)\0t\0")
        case 13:
            caller.send(
                .setPermissions, "\(path)\0n\(random.number(0...2))\0r\(random.number(0...2))\0", in: transaction)
        case 14: caller.send(.transactionStart, "\0")
        case 15:
            caller.send(
                .transactionEnd, "\(random.number(0...2) == 0 ? "F" : "T")\0", in: caller.session.lastTransaction)
        case 16: caller.send(.directory, "\(path)\0", in: transaction)
        case 17: caller.send(.unwatch, "\(path)\0t\0")
        case 18: caller.send(.control, "quota\0\(random.number(1...2))\0")
        default: caller.send(.read, "\(path)\0", in: transaction)
        }
    }

    private func path() -> String {
        let start = ["", "/local/domain/1/", "/local/domain/2/", "/"].randomElement(using: &random) ?? ""
        let depth = Int.random(in: 1...4, using: &random)
        return start
            + (0..<depth).map { _ in ["a", "b", "c"].randomElement(using: &random) ?? "a" }.joined(separator: "/")
    }

    func finish() {
        house.storage?.isFailing = false
        for caller in callers.dropFirst() { caller.client.hangUp() }
        callers[0].client.hangUp()
        house.host.settle()
        house.expectSound()
        #expect(house.store.history.snapshots.isEmpty)
        #expect(house.store.nodes.used == house.store.count)
        #expect(house.store.history.detachedCount == 0)
    }
}
