// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

import struct TestSupport.Randomness

@testable import XenStoreKernel

/// A transaction sees the store as it was when it started, and what is kept for that is freed.
@Suite final class SnapshotTests: HouseSuite {
    @Test func readsStayAsTheyWereAtTheStart() {
        dom0.write("/d/x", "old")
        dom0.setPermissions("/d/x", "r1")
        let transaction = dom0.start()
        dom0.write("/d/x", "new")
        dom0.setPermissions("/d/x", "r2")
        #expect(dom0.read("/d/x", in: transaction) == .text("old"))
        #expect(dom0.permissions("/d/x", in: transaction) == .text("r1|"))
        dom0.rm("/d")
        #expect(dom0.read("/d/x", in: transaction) == .text("old"))
        #expect(dom0.permissions("/d/x", in: transaction) == .text("r1|"))
    }

    @Test func directoriesStayAsTheyWereAtTheStart() {
        for name in ["a", "b", "c"] { dom0.mkdir("/d/\(name)") }
        let transaction = dom0.start()
        dom0.mkdir("/d/new")
        dom0.rm("/d/b")
        dom0.rm("/d/a")
        dom0.mkdir("/d/a")
        #expect(dom0.list("/d", in: transaction) == .names("a", "b", "c"))
        #expect(dom0.list("/d") == .names("c", "new", "a"))
        dom0.rm("/d")
        #expect(dom0.list("/d", in: transaction) == .names("a", "b", "c"))
        #expect(dom0.ask(.directoryPart, "/d\00\0", in: transaction) != .error(.ENOENT))
    }

    @Test func laterNodesAreNotVisible() {
        let transaction = dom0.start()
        dom0.write("/later/x", "v")
        #expect(dom0.read("/later/x", in: transaction) == .error(.ENOENT))
        #expect(dom0.read("/later", in: transaction) == .error(.ENOENT))
        #expect(dom0.list("/", in: transaction) == .names("tool"))
    }

    @Test func aNodeRemovedAndMadeAgainShowsItsOldState() {
        dom0.write("/d/x", "old")
        dom0.write("/d/x/y", "below")
        let transaction = dom0.start()
        dom0.rm("/d/x")
        dom0.write("/d/x", "new")
        #expect(dom0.read("/d/x", in: transaction) == .text("old"))
        #expect(dom0.list("/d/x", in: transaction) == .names("y"))
        #expect(dom0.read("/d/x/y", in: transaction) == .text("below"))
        #expect(dom0.list("/d/x") == .text(""))
    }

    @Test func eachTransactionSeesItsOwnGeneration() {
        var open: [(transaction: UInt32, value: String)] = []
        for number in 0..<20 {
            dom0.write("/x", "\(number)")
            if number % 3 == 2 {
                dom0.rm("/x")
                dom0.write("/x", "\(number)")
            }
            open.append((dom0.start(), "\(number)"))
        }
        for (transaction, value) in open { #expect(dom0.read("/x", in: transaction) == .text(value)) }
    }

    enum Order: CaseIterable { case oldestFirst, newestFirst, insideOut }

    @Test(arguments: Order.allCases)
    func nothingIsKeptWhenAllAreClosed(order: Order) {
        let before = house.store.nodes.used
        var open: [UInt32] = []
        for number in 0..<30 {
            open.append(dom0.start())
            dom0.write("/d/\(number % 7)/x", String(repeating: "v", count: number * 10))
            dom0.setPermissions("/d/\(number % 7)", "n\(number)")
            if number % 2 == 1 { dom0.rm("/d/\(number % 5)") }
        }
        dom0.rm("/d")
        #expect(house.store.nodes.used > before)
        switch order {
        case .oldestFirst: break
        case .newestFirst: open.reverse()
        case .insideOut: open = Array(open[15...] + open[..<15].reversed())
        }
        for transaction in open { dom0.abort(transaction) }
        #expect(house.store.nodes.used == before)
        #expect(house.store.history.versionCount == 0)
        #expect(house.store.history.snapshots.isEmpty)
        house.expectSound()
    }

    /// While one transaction is open, a node that changes often is kept once, not once a change.
    @Test func oneOpenTransactionKeepsOneVersion() {
        dom0.write("/x", "old")
        let transaction = dom0.start()
        for number in 0..<1000 {
            dom0.write("/x", "\(number)")
            dom0.write("/new/y")
            dom0.rm("/new")
        }
        #expect(house.store.history.versionCount == 2, "/x and the root")
        #expect(house.store.nodes.used == house.store.count)
        #expect(dom0.read("/x", in: transaction) == .text("old"))
    }

    /// Commits that come while an older transaction is open leave nothing behind.
    @Test func anOpenTransactionDoesNotMakeOthersLeak() {
        let idle = dom0.start()
        for _ in 0..<200 {
            let transaction = dom0.start()
            dom0.write("/a/b", "v", in: transaction)
            #expect(dom0.commit(transaction) == .ok)
            dom0.rm("/a")
        }
        #expect(house.store.history.snapshots.open.count == 1)
        #expect(house.store.history.snapshots.open.reduce(0) { $0 + $1.created.count } == 0)
        #expect(house.store.nodes.used == house.store.count)
        dom0.abort(idle)
    }

    @Test(arguments: 1...24 as ClosedRange<UInt64>)
    func behavesLikeTheModel(seed: UInt64) throws {
        var run = try ModelRun(seed: seed)
        for _ in 0..<1500 { run.step() }
        run.finish()
    }
}

/// A store and a model of it, given the same random steps.
private struct ModelRun {
    let house: House
    let callers: [Caller]
    let seed: UInt64
    var random: Randomness
    var model = Model()
    var open: [(caller: Caller, number: UInt32, model: Model.Transaction)] = []
    var steps = 0

    init(seed: UInt64) throws {
        let house = try House()
        self.house = house
        self.seed = seed
        random = Randomness(seed: seed)
        callers = (0..<3).map { _ in house.caller(0) }
        model.contents = Contents(of: house.store)
    }

    var note: String { "seed \(seed), step \(steps)" }

    mutating func step() {
        steps += 1
        switch Int.random(in: 0..<12, using: &random) {
        case 0 where open.count < 7: start()
        case 1 where !open.isEmpty: end()
        case 2..<7 where !open.isEmpty: performInside()
        default: performOutside()
        }
        if steps % 50 == 0 { compare() }
    }

    private mutating func start() {
        let caller = callers[Int.random(in: 0..<callers.count, using: &random)]
        open.append((caller, caller.start(), Model.Transaction(draft: model)))
    }

    private mutating func end() {
        let (caller, number, transaction) = open.remove(at: Int.random(in: 0..<open.count, using: &random))
        if Bool.random(using: &random) {
            let expected = model.commit(transaction)
            #expect(caller.commit(number) == expected, "\(note): \(transaction.log.map(\.step))")
        } else {
            #expect(caller.abort(number) == .ok, "\(note)")
        }
    }

    private mutating func performInside() {
        let at = Int.random(in: 0..<open.count, using: &random)
        let step = Step.random(by: &random)
        let expected = open[at].model.perform(step)
        let reply = open[at].caller.ask(step.operation, step.payload, in: open[at].number)
        #expect(reply == expected, "\(note): \(step)")
    }

    private mutating func performOutside() {
        let step = Step.random(by: &random)
        let expected = model.perform(step)
        #expect(callers[0].ask(step.operation, step.payload) == expected, "\(note): \(step)")
    }

    private func compare() {
        #expect(Contents(of: house.store) == model.contents, "\(note)")
        house.expectSound(note)
    }

    mutating func finish() {
        while !open.isEmpty { end() }
        compare()
        #expect(house.store.history.versionCount == 0, "\(note)")
        #expect(house.store.history.snapshots.isEmpty, "\(note)")
        #expect(house.store.nodes.used == house.store.count, "\(note)")
    }
}
