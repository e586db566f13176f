// SPDX-License-Identifier: Apache-2.0
import Foundation
import PluginName
import Testing
import XenStorePlugin
import XenStoreTestKit

/// Each test has a folder of its own.
@Suite final class PluginNameTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
    private var file: String { "\(folder)/plugin-name" }

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false) }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private func open() throws -> PluginName {
        try PluginName(ConfigurationBlock(defaultsOf: PluginName.keys).with("path", .text(file)))
    }

    /// What every storage must pass: the next daemon has all that the last one has stored, however that one has ended.
    @Test(arguments: StorageConformance.Ending.allCases)
    func keepsItsPromises(ending: StorageConformance.Ending) throws {
        var last: PluginName?
        let kit = StorageConformance(ending: ending) {
            // A killed daemon has given up its lock.
            last?.abandon()
            let storage = try self.open()
            last = storage
            return storage
        }
        #expect(try kit.problems() == [])
    }

    /// What only this storage does: its file is plain.
    @Test func theFileBeginsWithItsName() throws {
        let storage = try open()
        #expect(try EmbeddedHost(storage: storage).caller(0).write("/a", "1") == .ok)
        storage.close()
        #expect(FileManager.default.contents(atPath: file)?.starts(with: Array("plugin-name 1\n".utf8)) == true)
        #expect(try PluginName.check(file).isGood)
    }
}
