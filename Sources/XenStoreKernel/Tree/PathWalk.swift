// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Puts paths of many nodes together. A node near the one before costs a few steps, however deep both are:
/// guests choose how deep a path is, and one request may touch each level of it.
final class PathWalk {
    private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: Limits.absolutePathMax + 1, alignment: 1)
    /// The nodes of the path that `bytes` hold, without the root, and where each one's name ends.
    private var levels: [(id: NodeID, end: Int)] = []
    private var missing: [NodeID] = []

    deinit { bytes.deallocate() }

    /// Forgets the paths before: nodes have changed since.
    func restart() { levels.removeAll(keepingCapacity: true) }

    /// The node's path, without a NUL. Good until the next call.
    func path(of id: NodeID, in store: Store) -> UnsafeRawBufferPointer {
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
        if ancestor == store.root { restart() }
        for id in missing.reversed() { append(store.name(of: id), of: id) }
        return UnsafeRawBufferPointer(rebasing: bytes[..<(levels.last?.end ?? 0)])
    }

    private func append(_ name: UnsafeRawBufferPointer, of id: NodeID) {
        let start = levels.last?.end ?? 0
        bytes[start] = UInt8(ascii: "/")
        UnsafeMutableRawBufferPointer(rebasing: bytes[(start + 1)...]).copyMemory(from: name)
        levels.append((id, start + 1 + name.count))
    }
}
