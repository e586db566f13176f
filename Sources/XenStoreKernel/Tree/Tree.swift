// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What a request reads and changes: the store itself, or a transaction's draft of it. Handlers are written once for
/// this protocol, and the compiler specialises them for both.
protocol Tree: AnyObject {
    /// Whether everybody sees changes at once, so that watches must fire.
    static var isLive: Bool { get }
    /// A number that no other tree ever has. It keeps apart what is remembered of different trees.
    var serial: UInt64 { get }
    func find(_ path: Path) -> NodeID
    func content(of id: NodeID) -> NodeContent
    func name(of id: NodeID) -> UnsafeRawBufferPointer
    func parent(of id: NodeID) -> NodeID
    /// The child that was created first.
    func firstChild(of id: NodeID) -> NodeID
    /// The next child of the same parent, in the order of creation.
    func nextSibling(of id: NodeID) -> NodeID
    /// The bytes of all children's names, with their NULs. Exact up to `limit`; above it, some number above it.
    func childNamesLength(of id: NodeID, limit: Int) -> Int

    /// Adds a node after `parent`'s children. The caller has retained `permissions` for it.
    func create(_ path: Path, parent: NodeID, permissions: PermissionsID, value: UnsafeRawBufferPointer) -> NodeID
    func setValue(of id: NodeID, to value: UnsafeRawBufferPointer)
    /// The caller has retained `permissions` for the node.
    func setPermissions(of id: NodeID, to permissions: PermissionsID)
    /// Removes a node that has no children any more.
    func removeLeaf(_ id: NodeID)
}

extension Tree {
    /// Calls `body` with the node and everything below it, each node after its children. `body` may
    /// remove the node it is given.
    ///
    /// Not recursive: guests choose how deep a tree is (XSA-418).
    func forEachPostorder(from top: NodeID, _ body: (NodeID) -> Void) {
        var node = deepestFirst(below: top)
        while node != top {
            let next = nextSibling(of: node)
            let parent = parent(of: node)
            body(node)
            node = next.exists ? deepestFirst(below: next) : parent
        }
        body(top)
    }

    /// Follows first children down to one that has none.
    private func deepestFirst(below top: NodeID) -> NodeID {
        var node = top
        while true {
            let child = firstChild(of: node)
            if !child.exists { return node }
            node = child
        }
    }

    /// The next node of a walk from `top` over everything below it, each node before its children.
    func next(after id: NodeID, within top: NodeID) -> NodeID {
        let child = firstChild(of: id)
        if child.exists { return child }
        var node = id
        while node != top {
            let sibling = nextSibling(of: node)
            if sibling.exists { return sibling }
            node = parent(of: node)
        }
        return .none
    }

    /// Whether a node and everything below it are more than `most` nodes. Looks at no more than that.
    func isSubtree(_ top: NodeID, largerThan most: Int) -> Bool {
        var node = top
        for _ in 0..<most {
            node = next(after: node, within: top)
            if !node.exists { return false }
        }
        return true
    }

    /// The nearest ancestor of `path` that exists, and how many components it has. There is always
    /// one for a path in the tree: the root.
    func nearestAncestor(of path: Path) -> (node: NodeID, depth: Int) {
        var depth = path.depth - 1
        while depth > 0 {
            let node = find(path.prefix(depth))
            if node.exists { return (node, depth) }
            depth -= 1
        }
        return (find(path.prefix(0)), 0)
    }
}
