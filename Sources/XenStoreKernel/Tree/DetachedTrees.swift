// SPDX-License-Identifier: Apache-2.0

/// The subtrees that were removed as a whole and are still to be freed, oldest first, and the place that this has
/// reached.
///
/// The top of a subtree was marked as removed, so that nobody finds what is below it. The nodes below still count to
/// their owners. They are freed in postorder, as if they had been removed one by one at the time of the top.
struct DetachedTrees {
    private let nodes: NodeTable
    private var tops: [NodeID] = []
    /// The number of tops that were taken from the list.
    private var taken = 0
    /// The next node of the first subtree; none at its beginning.
    private var next = NodeID.none

    init(in nodes: NodeTable) { self.nodes = nodes }

    var isEmpty: Bool { taken == tops.count }

    mutating func append(_ tops: [NodeID]) {
        if isEmpty { (self.tops, taken) = ([], 0) }
        self.tops += tops
    }

    /// The next node to free, and the generation at which it was removed with its top. The caller has to mark it as
    /// removed before the next call.
    mutating func takeNext() -> (id: NodeID, removed: UInt64, isTop: Bool)? {
        if isEmpty { return nil }
        let top = tops[taken]
        let removed = nodes.pointer(top).pointee.removed
        let id = next.exists ? next : deepestFirst(below: top)
        if id == top {
            (taken, next) = (taken + 1, .none)
            return (id, removed, true)
        }
        let node = nodes.pointer(id).pointee
        let sibling = firstLeft(from: node.nextSibling)
        next = sibling.exists ? deepestFirst(below: sibling) : node.parent
        return (id, removed, false)
    }

    private func deepestFirst(below top: NodeID) -> NodeID {
        var node = top
        while true {
            let child = firstLeft(from: nodes.pointer(node).pointee.firstChild)
            if !child.exists { return node }
            node = child
        }
    }

    /// The first of a chain of siblings that is still to be freed. Others were removed before, and a snapshot shows
    /// them.
    private func firstLeft(from id: NodeID) -> NodeID {
        var id = id
        while id.exists, !nodes.pointer(id).pointee.isLive { id = nodes.pointer(id).pointee.nextSibling }
        return id
    }
}
