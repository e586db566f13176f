// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreEngine
@testable import XenStoreKernel

/// CONTROL `check` finds what is wrong: otherwise no test that relies on it means anything.
@Suite final class CheckTests: HouseSuite {
    override init() throws {
        try super.init()
        dom0.write("/d/a")
        dom0.write("/d/b")
    }

    private func node(_ path: String) throws -> NodeID {
        // It must outlive the path, which borrows from it.
        let scanner = PathScanner(hashing: house.store.hashing)
        defer { withExtendedLifetime(scanner) {} }
        return try Array(path.utf8).withUnsafeBytes { house.store.find(try scanner.scan($0, home: .control)) }
    }

    @Test func aSoundStoreHasNoProblems() {
        #expect(StoreCheck.problems(of: house.store) == [])
    }

    @Test func miscountedNodesAreFoundAndMended() {
        house.engine.kernel.accounts.ledger.adjustNodes(of: DomainID(5), by: 3, bytes: 0)
        #expect(StoreCheck.problems(of: house.store) == ["domain 5 owns 0 nodes, 3 were counted"])
        #expect(StoreCheck.problems(of: house.store) == [])
    }

    @Test func aTotalThatIsWrongIsFound() {
        let (nodes, count) = (house.store.nodes, house.store.count)
        let list = nodes.permissions.retain(PermissionList([]))
        nodes.insertUnlinked(name: UnsafeRawBufferPointer("@other"), hash: 7, permissions: list)
        #expect(
            StoreCheck.problems(of: house.store).first == "\(count) nodes are there, \(count + 1) were counted")
    }

    @Test func miscountedNamesAreFound() throws {
        house.store.pointer(try node("/d")).pointee.childNamesLength += 1
        #expect(StoreCheck.problems(of: house.store) == ["/d has miscounted the names of its children"])
    }

    @Test func aNodeThatCannotBeFoundIsFound() throws {
        let id = try node("/d/a")
        house.store.pointer(id).pointee.hash ^= 1
        #expect(StoreCheck.problems(of: house.store).contains("/d/a cannot be found by its path"))
    }

    @Test func aNodeThatDoesNotKnowItsPathIsFound() throws {
        house.store.pointer(try node("/d/a")).pointee.pathLength += 1
        #expect(StoreCheck.problems(of: house.store) == ["/d/a does not know its own path"])
    }

    @Test func aNodeThatItsParentDoesNotListIsFound() throws {
        house.store.pointer(try node("/d")).pointee.lastChild = try node("/d/a")
        #expect(StoreCheck.problems(of: house.store) == ["/d/b is not in its place in its parent's list"])
    }

    @Test func aNodeWhoseParentIsGoneIsFound() throws {
        let id = try node("/d")
        house.store.pointer(id).pointee.removed = 1
        #expect(StoreCheck.problems(of: house.store).contains("/d/a is left, and its parent is gone"))
        house.store.pointer(id).pointee.removed = 0
    }

    // MARK: In slices

    /// Others are answered, and the nodes that they make and remove are counted right.
    @Test func othersChangeTheStoreMeanwhile() throws {
        house.store.history.slices.nodes = 2
        for number in 0..<20 { dom0.write("/e/\(number)") }
        let other = house.caller(0)
        dom0.send(.control, "check\0", number: 1)
        dom0.send(.read, "/d/a\0", number: 2)
        var turns = 0
        while dom0.client.takeMessages().isEmpty {
            turns += 1
            other.send(.remove, "/e/\(19 - turns % 20)\0")
            other.send(.write, "/f/\(turns)/x\0v")
            house.host.endTurn()
            #expect(other.client.takeMessages().count == 2)
            try #require(turns < 200, "the check never ends")
        }
        #expect(turns > 5)
        house.host.settle()
        #expect(house.log(.error) == [])
        #expect(house.store.nodes.check == nil)
        house.expectSound()
    }

    @Test func itsReplyComesInItsPlaceAndOnlyOnce() throws {
        house.store.history.slices.nodes = 2
        let other = house.caller(0)
        for number in 1...3 as ClosedRange<UInt32> {
            dom0.send(.control, "check\0", number: number)
            other.send(.control, "check\0", number: number)
        }
        dom0.send(.read, "/d/a\0", number: 4)
        house.host.settle()
        #expect(dom0.client.takeMessages().map(\.header.request) == [1, 2, 3, 4])
        #expect(other.client.takeMessages().map(\.header.request) == [1, 2, 3])
        #expect(house.log(.info).filter { $0.contains("all is well") }.count == 6)
    }

    @Test func aClientThatIsGoneNeedsNoCheck() throws {
        house.store.history.slices.nodes = 1
        let other = house.caller(0)
        other.send(.control, "check\0")
        house.host.endTurn()
        other.client.hangUp()
        #expect(house.host.settle() == .forever)
        #expect(house.store.nodes.check == nil)
        #expect(dom0.ask(.control, "check\0") == .ok)
    }

    @Test func checkLogsWhatIsWrong() {
        house.engine.kernel.accounts.ledger.adjustNodes(of: DomainID(5), by: 3, bytes: 0)
        #expect(dom0.ask(.control, "check\0") == .ok)
        #expect(house.log(.error) == ["check: domain 5 owns 0 nodes, 3 were counted"])
    }

    @Test func ourOwnCountFindsMiscountedMemory() {
        house.engine.kernel.accounts.ledger.adjustMemory(of: DomainID(5), by: 1)
        #expect(house.engine.kernel.findMiscounts().count == 1)
    }
}
