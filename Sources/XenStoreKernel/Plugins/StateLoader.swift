// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Takes a storage's content into the kernel at start.
public final class StateLoader {
    private let store: Store
    private let scanner: PathScanner
    /// What the kernel has noted, beside nodes.
    private(set) var notes: [[UInt8]: [UInt8]] = [:]
    /// How many nodes were taken.
    public private(set) var count = 0

    init(store: Store) {
        self.store = store
        scanner = PathScanner(hashing: store.hashing)
    }

    /// Takes one node; its parent must have been taken before. Fails for a path that is none, a
    /// parent that is missing, and a value that is too long.
    public func add(_ node: NodeRecord) throws(StorageError) {
        guard let path = try? scanner.scan(node.path, home: .control, specials: true),
            node.value.count <= Limits.payloadMax
        else { throw StorageError("a stored node has no valid path or value") }
        let list = store.permissions.retain(PermissionList(node.permissions))
        var id = store.find(path)
        if id.exists {
            store.setPermissions(of: id, to: list)
            store.setValue(of: id, to: node.value)
        } else {
            let parent = path.isSpecial ? NodeID.none : store.find(path.parent)
            guard parent.exists else {
                store.permissions.release(list)
                throw StorageError("the stored node \(text(node.path)) has no parent")
            }
            // The parent has been stored with this child: its generation is right already.
            let generation = store.content(of: parent).generation
            id = store.create(path, parent: parent, permissions: list, value: node.value)
            store.setGeneration(of: parent, to: generation)
        }
        store.setGeneration(of: id, to: node.generation)
        count += 1
    }

    /// Takes what the kernel has noted under a key.
    public func add(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        notes[Array(key)] = Array(value)
    }

    private func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }
}

/// What one turn has changed, as typed records. It borrows from the store: good only while
/// ``Storage/commit(_:)`` runs.
public struct ChangeBatch: ~Copyable {
    private let store: Store
    private let snapshot: UInt64
    private let notes: [[UInt8]: [UInt8]?]
    /// Nothing in it is of use when the host has been rebooted, so that it needs no sync: it is about
    /// peers that are gone then.
    public let endsWithBoot: Bool

    init(store: Store, since snapshot: UInt64, notes: [[UInt8]: [UInt8]?], endsWithBoot: Bool = false) {
        self.store = store
        self.snapshot = snapshot
        self.notes = notes
        self.endsWithBoot = endsWithBoot
    }

    /// Calls `body` with each node that is new or has changed, with each path that is gone, and with
    /// what else the kernel has noted.
    public func forEach(_ body: (Change) throws(StorageError) -> Void) throws(StorageError) {
        for (key, value) in notes {
            try key.withBytes { key throws(StorageError) in
                guard let value else { return try body(.forgotten(key: key)) }
                try value.withBytes { value throws(StorageError) in try body(.noted(key: key, value: value)) }
            }
        }
        let (stored, removed) = store.changes(since: snapshot)
        let walk = store.walk
        walk.restart()
        for id in removed { try body(.removed(path: walk.path(of: id, in: store))) }
        for number in stored {
            let id = NodeID(number: number)
            let content = store.content(of: id)
            try body(
                .stored(
                    NodeRecord(
                        path: walk.path(of: id, in: store), value: content.value,
                        permissions: store.permissions[content.permissions].entries,
                        generation: content.generation, children: store.childNames(of: id))))
        }
    }
}

extension Store {
    /// Nodes that are there and were made or changed since, and nodes that were there and are gone
    /// for good: one that was made again under the same path is only stored.
    fileprivate func changes(since snapshot: UInt64) -> (stored: [UInt32], removed: [NodeID]) {
        var stored: [UInt32] = []
        var removed: [NodeID] = []
        // By index: each turn comes by here, and a copy of a snapshot is three lists to hold and to let go.
        for index in history.snapshots.open.indices where history.snapshots.open[index].generation >= snapshot {
            for id in history.snapshots.open[index].created where pointer(id).pointee.created > snapshot && isInTree(id)
            {
                stored.append(id.number)
            }
            for kept in history.snapshots.open[index].kept {
                switch kept {
                case .version(let id, _): if isInTree(id) { stored.append(id.number) }
                case .node(let id): if pointer(id).pointee.existed(at: snapshot) { removed.append(id) }
                }
            }
        }
        dropRepeated(&stored)
        if !removed.isEmpty {
            let hashes = Set(stored.map { pointer(NodeID(number: $0)).pointee.hash })
            removed.removeAll { hashes.contains(pointer($0).pointee.hash) }
        }
        return (stored, removed)
    }

    /// Sorts, and leaves one of each. No set, which is dearer for the few nodes that most turns change.
    private func dropRepeated(_ numbers: inout [UInt32]) {
        if numbers.count < 2 { return }
        numbers.sort()
        var last = 0
        for number in numbers.dropFirst() where number != numbers[last] {
            last += 1
            numbers[last] = number
        }
        numbers.removeSubrange((last + 1)...)
    }

    private func isInTree(_ id: NodeID) -> Bool {
        let node = pointer(id).pointee
        return node.isLive && node.created != 0 && node.created != Node.unborn
    }

    /// The names of a node's children in the order of creation, each followed by a NUL.
    func childNames(of id: NodeID) -> [UInt8] {
        var names: [UInt8] = []
        var child = firstChild(of: id)
        while child.exists {
            names.append(contentsOf: name(of: child))
            names.append(0)
            child = nextSibling(of: child)
        }
        return names
    }
}
