// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What is there before anyone has written anything.
extension Kernel {
    /// Takes over what storage has kept, and makes what every store has.
    func makeInitialTree() throws(StorageError) {
        let none = PermissionList([Permission([], .control)])
        store.createSpecial("@introduceDomain", permissions: none)
        // Every domain may wait for others to go (Xen 4.22).
        store.createSpecial(
            "@releaseDomain", permissions: PermissionList([Permission([], .control), Permission(.read, .any)]))
        let loader = StateLoader(store: store)
        try storage.load(into: loader)
        if !loader.notes.isEmpty { handover = Handover(loader.notes) }
        restoreLimits()
        if loader.count > 0 { log(.info, "storage \(type(of: storage).name): \(loader.count) nodes") }
        let before = store.openSnapshot(undoable: true)
        defer { store.closeSnapshot(before, undoable: true) }
        for path in ["/tool", "/tool/xenstored"] as [StaticString] {
            guard let path = try? scanner.scan(UnsafeRawBufferPointer(path), home: .control),
                !store.find(path).exists
            else { continue }
            let parent = store.find(path.parent)
            _ = store.create(
                path, parent: parent, permissions: store.permissions.retain(none),
                value: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        // Like what clients make: the next daemon finds every child that a stored node lists.
        if storage.wantsBatches, store.generation > before {
            try storage.commit(ChangeBatch(store: store, since: before, notes: [:]))
        }
    }
}
