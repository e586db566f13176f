// SPDX-License-Identifier: Apache-2.0
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

    /// In place of an author's storage, and of the folder that it keeps its files in.
    private func MyStorage(_ folder: FailingStorage) throws -> any Storage { folder }

    @Test func theConformanceKitAcceptsAGoodStorage() throws {
        let folder = FailingStorage()
        let kit = StorageConformance { try MyStorage(folder) }
        #expect(try kit.problems() == [])
    }

    @Test func theConformanceKitAcceptsACrashedStorage() throws {
        let folder = FailingStorage()
        let kit = StorageConformance(ending: .dropped) { try MyStorage(folder) }
        #expect(try kit.problems() == [])
    }
}
