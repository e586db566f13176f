// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Takes the content of a storage into the store when the daemon starts.
package final class StoreLoader: StateLoader {
    private let store: Store
    private let scanner: PathScanner
    /// The notes that the storage keeps beside the nodes.
    private(set) var notes: [[UInt8]: [UInt8]] = [:]
    /// The number of nodes that were taken.
    package private(set) var count = 0

    init(store: Store) {
        self.store = store
        scanner = PathScanner(hashing: store.hashing)
    }

    package func add(_ node: NodeRecord) throws(StorageError) {
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
            // Storage has kept the parent with this child, so the parent's generation is right already.
            let generation = store.content(of: parent).generation
            id = store.create(path, parent: parent, permissions: list, value: node.value)
            store.setGeneration(of: parent, to: generation)
        }
        store.setGeneration(of: id, to: node.generation)
        count += 1
    }

    package func add(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        notes[Array(key)] = Array(value)
    }

    private func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }
}
