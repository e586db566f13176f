// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Puts paths of many nodes together. A node near the one before costs a few steps, however deep both are:
/// guests choose how deep a path is, and one request may touch each level of it.
struct PathWalk: ~Copyable {
    private let store: Store
    private let bytes: UnsafeMutableRawBufferPointer
    /// The nodes of the path that `bytes` hold, without the root, and where each one's name ends.
    private var levels: [(id: NodeID, end: Int)] = []
    private var missing: [NodeID] = []

    init(_ store: Store) {
        self.store = store
        bytes = .allocate(byteCount: Limits.absolutePathMax + 1, alignment: 1)
    }

    deinit { bytes.deallocate() }

    /// The node's path, without a NUL. Good until the next call.
    mutating func path(of id: NodeID) -> UnsafeRawBufferPointer {
        guard store.pointer(id).pointee.parent.exists else { return store.name(of: id) }
        var ancestor = id
        missing.removeAll(keepingCapacity: true)
        while ancestor != store.root, levels.last?.id != ancestor {
            let end = Int(store.pointer(ancestor).pointee.pathLength)
            if let last = levels.last, last.end >= end {
                levels.removeLast()
            } else {
                missing.append(ancestor)
                ancestor = store.pointer(ancestor).pointee.parent
            }
        }
        if ancestor == store.root { levels.removeAll(keepingCapacity: true) }
        for id in missing.reversed() { append(id) }
        return UnsafeRawBufferPointer(rebasing: bytes[..<(levels.last?.end ?? 0)])
    }

    private mutating func append(_ id: NodeID) {
        let name = store.name(of: id)
        let start = levels.last?.end ?? 0
        bytes[start] = UInt8(ascii: "/")
        UnsafeMutableRawBufferPointer(rebasing: bytes[(start + 1)...]).copyMemory(from: name)
        levels.append((id, start + 1 + name.count))
    }
}
