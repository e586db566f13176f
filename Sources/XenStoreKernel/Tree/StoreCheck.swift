// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// CONTROL `check`: whether the store agrees with itself, and whether each domain's nodes are counted right.
struct StoreCheck {
    private let nodes: NodeTable
    private let store: Store
    private var problems: [String] = []
    private var seen = 0
    private var counted: [DomainID: Int] = [:]

    private init(_ store: Store) {
        self.store = store
        nodes = store.nodes
    }

    /// Returns the contradictions it finds, for the operator. The counts of nodes are right afterwards.
    static func problems(of store: Store) -> [String] {
        var check = StoreCheck(store)
        check.lookAtTree()
        check.lookAtSpecials()
        check.compareCounts()
        return check.problems
    }

    private mutating func lookAtTree() {
        var isListed: Set<NodeID> = [store.root]
        var found: [NodeID] = []
        store.forEachPostorder(from: store.root) { found.append($0) }
        for id in found {
            count(id)
            lookAtChildren(of: id, &isListed)
            if id != store.root, !knowsItsPath(id) { problems.append("\(text(id)) does not know its own path") }
            if !nodes.isLinked(id) { problems.append("\(text(id)) is not found by its permissions") }
            if !nodes.isIndexed(id) { problems.append("\(text(id)) cannot be found by its path") }
        }
    }

    private mutating func count(_ id: NodeID) {
        seen += 1
        counted[store.owner(of: id), default: 0] += 1
    }

    private mutating func lookAtChildren(of id: NodeID, _ isListed: inout Set<NodeID>) {
        var names = 0
        var child = store.firstChild(of: id)
        while child.exists {
            names += Int(store.pointer(child).pointee.nameLength) + 1
            if store.parent(of: child) != id { problems.append("\(text(child)) does not know its parent") }
            if !isListed.insert(child).inserted { problems.append("\(text(child)) is listed twice") }
            child = store.nextSibling(of: child)
        }
        if names != store.childNamesLength(of: id, limit: .max) {
            problems.append("\(text(id)) has miscounted the names of its children")
        }
    }

    private func knowsItsPath(_ id: NodeID) -> Bool {
        let node = store.pointer(id).pointee
        let parent = store.pointer(node.parent).pointee
        let above = node.parent == store.root ? 0 : Int(parent.pathLength)
        return node.hash == store.hashing.child(node.name, of: parent.hash)
            && Int(node.pathLength) == above + 1 + Int(node.nameLength)
    }

    private mutating func lookAtSpecials() {
        for name in Store.specialNames {
            let id = nodes.find(special: name)
            if id.exists { count(id) } else { problems.append("\(name) is missing") }
        }
    }

    private mutating func compareCounts() {
        if seen != store.count { problems.append("\(seen) nodes are there, \(store.count) were counted") }
        for (domain, nodes) in nodes.ledger.setNodes(counted) {
            problems.append("domain \(domain.rawValue) owns \(counted[domain] ?? 0) nodes, \(nodes) were counted")
        }
    }

    /// The node's path, from the names on the way to the root: the node's own data about its path may be the fault.
    private func text(_ id: NodeID) -> String {
        var names: [String] = []
        var id = id
        while id != store.root, id.exists {
            names.append(String(decoding: store.name(of: id), as: UTF8.self))
            id = store.parent(of: id)
        }
        return "/" + names.reversed().joined(separator: "/")
    }
}
