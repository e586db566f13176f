// SPDX-License-Identifier: Apache-2.0

/// Some nodes of the tree and their ancestors. To build it and to walk over it takes a few steps for each of these,
/// since guests choose how deep nodes are and how many lie below one another.
struct WaysToNodes {
    private let store: Store
    private var known: Set<NodeID> = []
    /// The children of each node that lead to the nodes that were added.
    private var children: [NodeID: [NodeID]] = [:]

    init(in store: Store) { self.store = store }

    mutating func add(_ node: NodeID) {
        var node = node
        while node != store.root, known.insert(node).inserted {
            let parent = store.parent(of: node)
            children[parent, default: []].append(node)
            node = parent
        }
    }

    /// The first such node on each way down from the root, in the order of a walk over the tree: children stand in the
    /// order of their creation.
    func firstNodes(where isMeant: (NodeID) -> Bool) -> [NodeID] {
        var found: [NodeID] = []
        var waiting = [store.root]
        while let node = waiting.popLast() {
            if node != store.root, isMeant(node) {
                found.append(node)
            } else {
                waiting += (children[node] ?? []).sorted { created($0) > created($1) }
            }
        }
        return found
    }

    /// Those of the added nodes that lie below `top`, each before those below it, in the order of a walk over the tree.
    func preorder(below top: NodeID, where isMeant: (NodeID) -> Bool) -> [NodeID] {
        walk(below: top, where: isMeant) { $0 > $1 }
    }

    /// The same, each after those below it.
    func postorder(below top: NodeID, where isMeant: (NodeID) -> Bool) -> [NodeID] {
        // Read from its end, a walk that takes the last child first is in postorder.
        walk(below: top, where: isMeant) { $0 < $1 }.reversed()
    }

    private func walk(
        below top: NodeID, where isMeant: (NodeID) -> Bool, by areInOrder: (UInt64, UInt64) -> Bool
    ) -> [NodeID] {
        var found: [NodeID] = []
        var waiting = [top]
        while let node = waiting.popLast() {
            if node != top, isMeant(node) { found.append(node) }
            waiting += (children[node] ?? []).sorted { areInOrder(created($0), created($1)) }
        }
        return found
    }

    private func created(_ node: NodeID) -> UInt64 { store.pointer(node).pointee.created }
}
