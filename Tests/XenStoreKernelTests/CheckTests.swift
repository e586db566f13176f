// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreKernel

/// CONTROL `check` finds what is wrong: otherwise no test that relies on it means anything.
@Suite struct CheckTests {
    let house: House
    let dom0: Caller

    init() throws {
        house = try House()
        dom0 = house.dom0
        dom0.write("/d/a")
        dom0.write("/d/b")
    }

    private func node(_ path: String) throws -> NodeID {
        try Array(path.utf8).withUnsafeBytes {
            house.store.find(try house.kernel.machine.innerScanner.scan($0, home: .control))
        }
    }

    @Test func aSoundStoreHasNoProblems() {
        #expect(house.store.findProblems() == [])
    }

    @Test func miscountedNodesAreFoundAndMended() {
        house.kernel.machine.accounts.ledger.adjustNodes(of: DomainID(5), by: 3, bytes: 0)
        #expect(house.store.findProblems() == ["domain 5 owns 0 nodes, 3 were counted"])
        #expect(house.store.findProblems() == [])
    }

    @Test func aTotalThatIsWrongIsFound() {
        house.store.count += 1
        #expect(house.store.findProblems().count == 1)
    }

    @Test func miscountedNamesAreFound() throws {
        house.store.pointer(try node("/d")).pointee.childNamesLength += 1
        #expect(house.store.findProblems() == ["/d has miscounted the names of its children"])
    }

    @Test func aNodeThatCannotBeFoundIsFound() throws {
        let id = try node("/d/a")
        house.store.index.remove(id.number, hash: UInt32(truncatingIfNeeded: house.store.pointer(id).pointee.hash))
        #expect(house.store.findProblems() == ["/d/a cannot be found by its path"])
    }

    @Test func aNodeThatDoesNotKnowItsPathIsFound() throws {
        house.store.pointer(try node("/d/a")).pointee.pathLength += 1
        #expect(house.store.findProblems() == ["/d/a does not know its own path"])
    }

    @Test func checkLogsWhatIsWrong() {
        house.kernel.machine.accounts.ledger.adjustNodes(of: DomainID(5), by: 3, bytes: 0)
        #expect(dom0.ask(.control, "check\0") == .ok)
        #expect(house.log(.error) == ["check: domain 5 owns 0 nodes, 3 were counted"])
    }

    @Test func ourOwnCountFindsMiscountedMemory() {
        house.kernel.machine.accounts.ledger.adjustMemory(of: DomainID(5), by: 1)
        #expect(house.kernel.machine.findMiscounts().count == 1)
    }
}
