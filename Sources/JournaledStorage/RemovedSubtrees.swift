// SPDX-License-Identifier: Apache-2.0

/// Subtrees that an outcome removes as a whole, by the keys of their tops.
public struct RemovedSubtrees {
    private var tops: Set<Bytes> = []

    /// Whether the outcome removes no subtree.
    public var isEmpty: Bool { tops.isEmpty }

    mutating func insert(_ top: Bytes) { tops.insert(top) }

    /// Whether the outcome removes the node with this key, because it is a top or lies below one.
    public func contains(_ key: Bytes) -> Bool {
        if tops.isEmpty || key.raw.first != StoredPath.slash { return false }
        for end in key.raw.indices.dropFirst() where key.raw[end] == StoredPath.slash {
            if tops.contains(Bytes(UnsafeRawBufferPointer(rebasing: key.raw[..<end]))) { return true }
        }
        return tops.contains(key)
    }
}

extension Bytes {
    /// Whether this is the path of a node below `top`.
    func isBelow(_ top: Bytes) -> Bool {
        raw.count > top.raw.count && raw[top.raw.count] == StoredPath.slash
            && Bytes(UnsafeRawBufferPointer(rebasing: raw[..<top.raw.count])) == top
    }
}
