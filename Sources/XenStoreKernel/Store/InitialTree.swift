// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What is there before anyone has written anything.
extension Machine {
    /// Makes the nodes that are in no storage, and returns who takes over what storage has kept.
    func makeLoader() -> StateLoader {
        store.createSpecial("@introduceDomain", permissions: Machine.ofControl)
        // Every domain may wait for others to go (Xen 4.22).
        store.createSpecial(
            "@releaseDomain", permissions: PermissionList([Permission([], .control), Permission(.read, .any)]))
        return StateLoader(store: store)
    }

    /// Goes on from what storage has kept, and makes what every store has: returns that, as far as storage lacks it.
    mutating func begin(with loader: StateLoader) -> ClosedTurn? {
        if !loader.notes.isEmpty { handover = Handover(loader.notes) }
        restoreLimits()
        for path in ["/tool", "/tool/xenstored"] as [StaticString] {
            guard let path = try? scanner.scan(UnsafeRawBufferPointer(path), home: .control),
                !store.find(path).exists
            else { continue }
            openTurn()
            let parent = store.find(path.parent)
            _ = store.create(
                path, parent: parent, permissions: store.permissions.retain(Machine.ofControl),
                value: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        return closeTurn()
    }

    private static let ofControl = PermissionList([Permission([], .control)])
}
