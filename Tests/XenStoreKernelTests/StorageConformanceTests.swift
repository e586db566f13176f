// SPDX-License-Identifier: Apache-2.0
import MemoryStorage
import TestSupport
import Testing
import XenStorePlugin
import XenStoreTestKit

/// The conformance kit on the storages that need no files.
@Suite(.slow) struct StorageConformanceTests {
    @Test func theMemoryStorageConforms() throws {
        #expect(try StorageConformance { try Memory(ConfigurationBlock([:])) }.problems() == [])
    }

    @Test(arguments: StorageConformance.Ending.allCases)
    func theFailingStorageKeepsEverything(ending: StorageConformance.Ending) throws {
        let storage = FailingStorage()
        #expect(try StorageConformance(ending: ending) { storage }.problems() == [])
    }
}
