// SPDX-License-Identifier: Apache-2.0
import Glibc
import JournaledStorage
import TestSupport
import Testing
import XenStorePlugin
import XenStoreTestKit

// As the guide for storages has it.
typealias MyTable = SnapshotTable
typealias MyStorage = JournaledStorage<MyTable>

/// The journal before a table that is not TDB's.
@Suite struct SnapshotTests {
    private typealias Snapshot = MyStorage

    private let folder: TemporaryFolder
    private var path: String { folder.file("store") }

    init() throws { folder = try TemporaryFolder() }

    private static func storage(
        at path: String, _ values: [String: ConfigurationValue] = [:], log: PluginLog = .silent
    ) throws -> Snapshot {
        var block = ConfigurationBlock(defaultsOf: Snapshot.keys).with("path", .text(path))
        for (key, value) in values { block = block.with(key, value) }
        block.log = log
        return try Snapshot(block)
    }

    @Test(arguments: StorageConformance.Ending.allCases, ["none", "commit"])
    func aReopenedStoreIsTheSame(ending: StorageConformance.Ending, sync: String) throws {
        var last: Snapshot?
        let kit = StorageConformance(ending: ending) { [path] in
            last?.abandon()
            let storage = try Self.storage(at: path, ["sync": .text(sync)])
            last = storage
            return storage
        }
        #expect(try kit.problems() == [])
        #expect(TemporaryFolder.names(in: folder.path).contains("store.lock"))
    }

    /// A daemon is killed in the middle of a fold, whatever the fold has done by then.
    @Test(arguments: Death.allCases, ["none", "commit"])
    func nothingAcknowledgedIsLostIfTheDaemonIsKilled(moment: Death, sync: String) async throws {
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, moment, sync] in
            let host = try EmbeddedHost(storage: Self.storage(at: path, ["sync": .text(sync)]))
            Death.choose(moment)
            let client = host.caller(0)
            let acknowledged = open(path + "-acknowledged", O_WRONLY | O_CREAT | O_APPEND, 0o600)
            // Enough for two folds, and for more while the second goes on.
            for number in 0..<20_000 {
                try #require(client.ask(.write, "/a/\(number)\0\(Self.value(number))") == .ok)
                try #require(write(acknowledged, "x", 1) == 1)
            }
        }
        let count = folder.text(of: "store-acknowledged").utf8.count
        try #require(count > 0)
        let host = try EmbeddedHost(storage: Self.storage(at: path))
        let client = host.caller(0)
        for number in 0..<count {
            try #require(client.ask(.read, "/a/\(number)\0") == .text(Self.value(number)))
        }
    }

    private static func value(_ number: Int) -> String { "\(number) " + String(repeating: "v", count: 3000) }

    @Test func aDamagedTableIsSetAside() throws {
        try serve { #expect($0.ask(.write, "/a\0one") == .ok) }
        try #require(truncate(path, 30) == 0)
        #expect(try !Snapshot.check(path).isGood)
        try serve { #expect($0.ask(.read, "/a\0") == .error(.ENOENT)) }
        let aside = try #require(TemporaryFolder.names(in: folder.path).first { $0.hasPrefix("store.2") })
        #expect(folder.text(of: aside).utf8.count == 30)
    }

    @Test func aStoreCanBeCheckedAndRepaired() throws {
        try serve { #expect($0.ask(.write, "/a\0one") == .ok) }
        #expect(try Snapshot.check(path).isGood)
        _ = try Snapshot.repair(path)
        try serve { #expect($0.ask(.read, "/a\0") == .text("one")) }
    }

    @Test func anotherFileIsLeftAlone() throws {
        try folder.write("something else", to: "store")
        let error = #expect(throws: StorageError.self) { try serve { _ in } }
        #expect(error?.description.contains("is no store; it is left as it is") == true)
        #expect(folder.text(of: "store") == "something else")
    }

    @Test func aRemovedTableIsWrittenAgain() async throws {
        let (lines, log) = Self.lines()
        let host = try EmbeddedHost(storage: Self.storage(at: path, log: log))
        let client = host.caller(0)
        #expect(client.ask(.write, "/a\0one") == .ok)
        unlink(path)
        for await line in lines where line.contains("it has been written again") { break }
        #expect(access(path, F_OK) == 0)
    }

    private func serve(_ body: (Caller) throws -> Void) throws {
        let storage = try Self.storage(at: path)
        defer { storage.close() }
        try body(try EmbeddedHost(storage: storage).caller(0))
    }

    /// What a storage logs, line by line.
    private static func lines() -> (AsyncStream<String>, PluginLog) {
        let (lines, continuation) = AsyncStream.makeStream(of: String.self)
        return (lines, PluginLog { _, text in continuation.yield(text()) })
    }
}
