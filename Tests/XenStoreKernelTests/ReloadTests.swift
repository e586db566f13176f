// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

import struct TestSupport.Randomness

@testable import XenStoreKernel

/// A new daemon over what an old one has stored is the old one.
@Suite struct ReloadTests {
    let storage = FailingStorage()

    @Test func theInitialTreeIsStoredToo() throws {
        let house = try House(storage: storage)
        #expect(storage.nodes["/"]?.children == Array("tool\0".utf8))
        #expect(storage.nodes["/tool"]?.children == Array("xenstored\0".utf8))
        #expect(storage.nodes["/tool/xenstored"] != nil)
        house.expectSound()
    }

    @Test func everyStoredChildHasItsRecord() throws {
        let house = try House(storage: storage)
        house.dom0.write("/a/b/c")
        house.dom0.rm("/a/b")
        for (path, node) in storage.nodes {
            for name in node.children.split(separator: 0) {
                let name = String(decoding: name, as: UTF8.self)
                #expect(storage.nodes[path == "/" ? "/\(name)" : "\(path)/\(name)"] != nil)
            }
        }
    }

    @Test func theOrderOfChildrenStays() throws {
        let house = try House(storage: storage)
        for name in ["zebra", "a", "middle", "b"] { house.dom0.write("/d/\(name)/x") }
        house.dom0.rm("/d/a")
        house.dom0.write("/d/a")
        try expectTheSame(house)
        #expect(try House(storage: storage).dom0.list("/d") == .names("zebra", "middle", "b", "a"))
    }

    @Test func permissionsAndGenerationsStay() throws {
        let house = try House(storage: storage)
        house.guest(5).write("a/b", "v")
        house.dom0.setPermissions("/local/domain/5/a", "b5", "r6", "w32757")
        house.dom0.setPermissions("@releaseDomain", "n0")
        house.dom0.write("/", "root")
        try expectTheSame(house)
        #expect(try House(storage: storage).usage(5).nodes == house.usage(5).nodes)
    }

    @Test func generationsGoOn() throws {
        let house = try House(storage: storage)
        for _ in 0..<20 { house.dom0.write("/x") }
        let last = house.store.generation
        let next = try House(storage: storage)
        #expect(next.store.generation >= last)
        next.dom0.write("/y")
        let newest = try #require(storage.nodes["/y"]).generation
        #expect(newest > last)
    }

    @Test func aFailedChangeIsNotLoaded() throws {
        let house = try House(storage: storage)
        house.dom0.write("/x", "kept")
        storage.isFailing = true
        house.dom0.write("/x", "lost")
        house.dom0.write("/y")
        house.dom0.rm("/tool")
        storage.isFailing = false
        try expectTheSame(house)
        let next = try House(storage: storage)
        #expect(next.dom0.read("/x") == .text("kept"))
        #expect(next.dom0.list("/") == .names("tool", "x"))
    }

    @Test func aRemovedInitialNodeComesBackAtTheEnd() throws {
        let house = try House(storage: storage)
        house.dom0.write("/a")
        house.dom0.rm("/tool")
        #expect(try House(storage: storage).dom0.list("/") == .names("a", "tool"))
    }

    @Test func aStorageThatFailsAtTheStartIsAnError() {
        storage.isFailing = true
        #expect(throws: StorageError.self) { try House(storage: storage) }
    }

    /// Random turns of several sessions, some of which storage fails.
    @Test(arguments: 1...12 as ClosedRange<UInt64>)
    func theStoredTreeIsAlwaysTheTree(seed: UInt64) throws {
        let house = try House(storage: storage)
        var random = Randomness(seed: seed)
        let callers = (0..<3).map { _ in house.caller(0) }
        for turn in 0..<150 {
            let before = Contents(of: house.store)
            storage.isFailing = Int.random(in: 0..<3, using: &random) == 0
            let sent = (0..<Int.random(in: 1...8, using: &random)).map { _ in
                let at = Int.random(in: 0..<callers.count, using: &random)
                sendRandom(callers[at], &random)
                return at
            }
            house.host.settle()
            let note = "seed \(seed), turn \(turn)"
            for (at, caller) in callers.enumerated() {
                #expect(caller.takeReplies().count == sent.count { $0 == at }, "\(note)")
            }
            if storage.isFailing { #expect(Contents(of: house.store) == before, "\(note)") }
            house.expectSound(note)
        }
        storage.isFailing = false
        try expectTheSame(house)
    }

    /// A request at random, in a transaction or not; most transaction numbers are open ones.
    private func sendRandom(_ caller: Caller, _ random: inout Randomness) {
        let last = caller.session.lastTransaction
        let transaction = last == 0 || Bool.random(using: &random) ? 0 : UInt32.random(in: 1...last, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0: caller.send(.transactionStart, "\0")
        case 1: caller.send(.transactionEnd, Bool.random(using: &random) ? "T\0" : "F\0", in: transaction)
        default:
            let step = Step.random(by: &random)
            caller.send(step.operation, step.payload, in: transaction)
        }
    }

    private func expectTheSame(_ house: House, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let next = try House(storage: storage)
        #expect(Contents(of: next.store) == Contents(of: house.store), sourceLocation: sourceLocation)
        #expect(generations(next) == generations(house), sourceLocation: sourceLocation)
        for special in ["@introduceDomain", "@releaseDomain"] {
            #expect(next.dom0.permissions(special) == house.dom0.permissions(special), sourceLocation: sourceLocation)
        }
        next.expectSound(sourceLocation: sourceLocation)
    }

    private func generations(_ house: House) -> [String: UInt64] {
        var generations: [String: UInt64] = [:]
        house.store.forEachPostorder(from: house.store.root) { id in
            generations[String(decoding: house.store.path(of: id), as: UTF8.self)] =
                house.store.content(of: id).generation
        }
        return generations
    }
}
