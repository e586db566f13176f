// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Puts paths of many nodes together. A node near the one before costs a few steps, however deep both are. Guests
/// choose how deep a path is, and one request may touch each level of it.
final class PathWalk {
    private typealias Level = (id: NodeID, end: Int)

    private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: Limits.absolutePathMax + 1, alignment: 1)
    /// The first elements are the nodes of the path in `bytes`, without the root, and the end of each one's name. The
    /// last elements are nodes of the next path that must still be moved there.
    private let levels = UnsafeMutableBufferPointer<Level>.allocate(capacity: PathWalk.levelsMax)
    private var depth = 0

    /// A level takes at least two bytes, and two paths must fit.
    private static let levelsMax = Limits.absolutePathMax + 2

    deinit {
        bytes.deallocate()
        levels.deallocate()
    }

    /// Forgets the last path. To be called when nodes may have changed.
    func restart() { depth = 0 }

    /// The node's path, without a NUL. Good until the next call.
    func path(of id: NodeID, in store: Store) -> UnsafeRawBufferPointer {
        let node = store.pointer(id)
        guard node.pointee.parent.exists else { return node.pointee.name }
        var top = id
        var missing = PathWalk.levelsMax
        // Each node knows where its name ends in its path, so the walk writes names on its way up.
        while top != store.root, depth == 0 || levels[depth - 1].id != top {
            let node = store.pointer(top)
            let end = Int(node.pointee.pathLength)
            if depth > 0, levels[depth - 1].end >= end {
                depth -= 1
                continue
            }
            put(node.pointee.name, endingAt: end)
            missing -= 1
            levels.initializeElement(at: missing, to: (top, end))
            top = node.pointee.parent
        }
        if top == store.root { depth = 0 }
        while missing < PathWalk.levelsMax {
            levels.initializeElement(at: depth, to: levels[missing])
            depth += 1
            missing += 1
        }
        return UnsafeRawBufferPointer(rebasing: bytes[..<(depth > 0 ? levels[depth - 1].end : 0)])
    }

    private func put(_ name: UnsafeRawBufferPointer, endingAt end: Int) {
        let start = end - name.count
        bytes[start - 1] = UInt8(ascii: "/")
        UnsafeMutableRawBufferPointer(rebasing: bytes[start..<end]).copyMemory(from: name)
    }
}
