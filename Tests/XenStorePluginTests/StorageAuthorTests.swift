// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreWire

/// The author of a storage tests it without a kernel.
@Suite struct StorageAuthorTests {
    private let storage = ValueStorage(ConfigurationBlock([:]))

    private func commit(_ changes: ListedChanges.Kind..., notes: [[UInt8]: [UInt8]?] = [:]) throws {
        try storage.commit(ChangeBatch(of: ListedChanges(changes), notes: notes))
    }

    private func content() throws -> ListedContent {
        let content = ListedContent()
        try storage.load(into: content)
        return content
    }

    @Test func aStorageGetsNodesAndNotesAndHandsThemBack() throws {
        try commit(.stored("/", ""), .stored("/a", "1"), notes: [Array("n".utf8): [7]])
        try commit(.stored("/a", "2"), .stored("/a/b", "3"))
        let content = try content()
        #expect(content.nodes == ["/": "", "/a": "2", "/a/b": "3"])
        #expect(content.notes == [Array("n".utf8): [7]])
    }

    @Test func aStorageLearnsWhatIsGone() throws {
        try commit(.stored("/a", "1"), .stored("/b", "2"), notes: [Array("n".utf8): [7]])
        try commit(.removed("/a"), notes: [Array("n".utf8): [UInt8]?.none])
        let content = try content()
        #expect(content.nodes == ["/b": "2"])
        #expect(content.notes.isEmpty)
    }

    @Test func anErrorEndsTheBatch() throws {
        let changes = ListedChanges([.stored("/a", "1"), .stored("/b", "2")])
        var count = 0
        #expect(throws: StorageError.self) {
            try ChangeBatch(of: changes).forEach { _ throws(StorageError) in
                count += 1
                throw StorageError("full")
            }
        }
        #expect(count == 1)
    }
}

/// Changes as a test writes them down.
private final class ListedChanges: ChangeSource {
    enum Kind {
        case stored(String, String)
        case removed(String)
    }

    private let changes: [Kind]

    init(_ changes: [Kind]) { self.changes = changes }

    func forEachChange(since generation: UInt64, _ body: (Change) throws(StorageError) -> Void) throws(StorageError) {
        for change in changes {
            switch change {
            case .stored(let path, let value):
                try Array(path.utf8).lend { path throws(StorageError) in
                    try Array(value.utf8).lend { value throws(StorageError) in
                        let permissions = [Permission([], .control)]
                        try body(
                            .stored(
                                NodeRecord(
                                    path: path, value: value, permissions: permissions, generation: 1, children: [])))
                    }
                }
            case .removed(let path):
                try Array(path.utf8).lend { path throws(StorageError) in try body(.removed(path: path)) }
            }
        }
    }
}

/// What a storage hands over at a start.
private final class ListedContent: StateLoader {
    private(set) var nodes: [String: String] = [:]
    private(set) var notes: [[UInt8]: [UInt8]] = [:]

    func add(_ node: NodeRecord) {
        nodes[String(decoding: node.path, as: UTF8.self)] = String(decoding: node.value, as: UTF8.self)
    }

    func add(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) { notes[Array(key)] = Array(value) }
}

/// A storage that keeps values only.
private final class ValueStorage: Storage {
    static let name = "values"
    static let summary = "Values in memory, for this test."
    static let keys: [ConfigurationKey] = []

    let wantsBatches = true
    private var values: [[UInt8]: [UInt8]] = [:]
    private var notes: [[UInt8]: [UInt8]] = [:]

    init(_ configuration: ConfigurationBlock) {}

    func load(into loader: any StateLoader) throws(StorageError) {
        for (path, value) in values {
            try path.lend { path throws(StorageError) in
                try value.lend { value throws(StorageError) in
                    try loader.add(
                        NodeRecord(path: path, value: value, permissions: [], generation: 1, children: []))
                }
            }
        }
        for (key, value) in notes {
            key.lend { key in value.lend { value in loader.add(key: key, value: value) } }
        }
    }

    func commit(_ batch: borrowing ChangeBatch) throws(StorageError) {
        try batch.forEach { change throws(StorageError) in
            switch change {
            case .stored(let node): values[Array(node.path)] = Array(node.value)
            case .removed(let path): values[Array(path)] = nil
            case .removedSubtree(let path):
                let below = Array(path) + [UInt8(ascii: "/")]
                values = values.filter { $0.key != Array(path) && !$0.key.starts(with: below) }
            case .noted(let key, let value): notes[Array(key)] = Array(value)
            case .forgotten(let key): notes[Array(key)] = nil
            }
        }
    }

    func close() {}
}

extension [UInt8] {
    /// The bytes as records have them, for as long as `body` runs.
    fileprivate func lend<Failure: Error>(_ body: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
        try withUnsafeBufferPointer { bytes throws(Failure) in try body(UnsafeRawBufferPointer(bytes)) }
    }
}
