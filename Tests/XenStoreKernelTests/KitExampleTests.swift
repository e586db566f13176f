// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

/// The examples in the documentation of XenStoreTestKit and in the guide for storages. `TidyTests` compares the lines.
@Suite struct KitExampleTests {
    @Test func anEmbeddedClientMaySendBytes() throws {
        let host = try EmbeddedHost(storage: FailingStorage())
        let guest = host.connect(domain: DomainID(5))
        guest.send(bytes: [2, 0, 0])
        host.settle()
        #expect(guest.takeMessages() == [])
    }

    @Test func aCallerGetsReplies() throws {
        let host = try EmbeddedHost(storage: FailingStorage())
        let guest = host.guest(5)
        #expect(guest.write("data/name", "value") == .ok)
        #expect(guest.read("data/name") == .text("value"))
        #expect(guest.read("/local/domain/0/name") == .error(.ENOENT))
    }

    @Test func aHouseHasTheLimitsThatItIsGiven() throws {
        let house = try House(limits: [.nodes: 2])
        let guest = house.guest(5)
        #expect(guest.write("a") == .ok)
        #expect(guest.write("b") == .error(.ENOSPC))
    }

    @Test func linesOfALogHaveTheirLevels() {
        let lines = LogLines()
        lines.log.warning("the disk is full")
        #expect(lines.contain("warning: the disk is full"))
    }

    /// In place of an author's storage, and of the folder that it keeps its files in.
    private func MyStorage(_ folder: FailingStorage) throws -> any Storage { folder }

    @Test(.slow) func theConformanceKitAcceptsAGoodStorage() throws {
        let folder = FailingStorage()
        let kit = StorageConformance { try MyStorage(folder) }
        #expect(try kit.problems() == [])
    }

    @Test(.slow) func theConformanceKitAcceptsACrashedStorage() throws {
        let folder = FailingStorage()
        let kit = StorageConformance(ending: .dropped) { try MyStorage(folder) }
        #expect(try kit.problems() == [])
    }
}
