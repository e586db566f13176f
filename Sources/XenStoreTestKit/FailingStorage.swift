// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// A storage that keeps nodes and notes in dictionaries, and fails when the test says so.
public final class FailingStorage: Storage {
    public static var name: String { "failing" }
    public static var summary: String { "Fails on demand, for tests." }
    public static var keys: [ConfigurationKey] { [] }

    public struct StoredNode: Equatable {
        public var value: [UInt8]
        public var permissions: [Permission]
        public var generation: UInt64
        public var children: [UInt8]
    }

    /// Whether the next commits fail.
    public var isFailing = false
    /// Whether the kernel hands over its changes. If not, this is like `memory`.
    public var wantsBatches = true
    /// The load in percent. Guests wait from 50 on, or from 75.
    public var load = 0
    /// The committed nodes, by path.
    public private(set) var nodes: [String: StoredNode] = [:]
    /// The committed notes, by key.
    public private(set) var notes: [[UInt8]: [UInt8]] = [:]
    public private(set) var commits = 0
    /// Whether the daemon has ended in an orderly way.
    public private(set) var isClosed = false
    /// The time in nanoseconds that a commit may wait.
    public var patience: UInt64 = 0

    public init() {}
    public required init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}

    public func load(into loader: any StateLoader) throws(StorageError) {
        for (key, value) in notes {
            key.withUnsafeBytes { key in value.withUnsafeBytes { loader.add(key: key, value: $0) } }
        }
        var paths = nodes.keys.filter { $0.hasPrefix("@") }.sorted() + ["/"]
        while let path = paths.popLast() {
            guard let node = nodes[path] else { continue }
            try add(node, at: path, to: loader)
            let names = node.children.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            paths += names.reversed().map { path == "/" ? "/\($0)" : "\(path)/\($0)" }
        }
    }

    private func add(_ node: StoredNode, at path: String, to loader: any StateLoader) throws(StorageError) {
        let path = Array(path.utf8)
        let failure: StorageError? = path.withUnsafeBytes { path in
            node.value.withUnsafeBytes { value in
                do throws(StorageError) {
                    try loader.add(
                        NodeRecord(
                            path: path, value: value, permissions: node.permissions,
                            generation: node.generation, children: node.children))
                    return nil
                } catch {
                    return error
                }
            }
        }
        if let failure { throw failure }
    }

    public func commit(_ batch: borrowing ChangeBatch) throws(StorageError) {
        if isFailing { throw StorageError("commit: told to fail") }
        commits += 1
        var changed = nodes
        var changedNotes = notes
        try batch.forEach { change throws(StorageError) in
            switch change {
            case .stored(let node):
                changed[String(decoding: node.path, as: UTF8.self)] = StoredNode(
                    value: Array(node.value), permissions: node.permissions,
                    generation: node.generation, children: node.children)
            case .removed(let path):
                changed[String(decoding: path, as: UTF8.self)] = nil
            case .removedSubtree(let path):
                let top = String(decoding: path, as: UTF8.self)
                changed[top] = nil
                changed = changed.filter { !$0.key.hasPrefix(top + "/") }
            case .noted(let key, let value): changedNotes[Array(key)] = Array(value)
            case .forgotten(let key): changedNotes[Array(key)] = nil
            }
        }
        nodes = changed
        notes = changedNotes
    }

    public func close() { isClosed = true }

    /// Damages a note.
    public func overwriteNote(_ key: String, _ value: [UInt8]) { notes[Array(key.utf8)] = value }
}
