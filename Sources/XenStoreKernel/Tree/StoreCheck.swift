// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// CONTROL `check`: whether the store agrees with itself, and whether each domain's nodes are counted right.
///
/// It looks at one record after another. Others may change the store in between: what it has counted so far follows
/// the changes, so that it is right in the end. Nodes of detached subtrees still count until they are freed.
final class StoreCheck {
    private let nodes: NodeTable
    private let store: Store
    private(set) var problems: [String] = []
    /// The numbers of the nodes at the beginning are smaller. Nodes that are made later are only counted.
    private let end: UInt32
    /// The nodes with smaller numbers were looked at and counted.
    private var next: UInt32 = 1
    /// After all nodes were counted: those with smaller numbers were compared with their counts.
    private var compared: UInt32 = 1
    private var seen = 0
    private var counted = [Int](repeating: 0, count: 1 << 16)
    /// The bytes of the names of each node's children, by the node's number.
    private var names: [UInt32]

    private init(_ store: Store) {
        self.store = store
        nodes = store.nodes
        end = nodes.numbersEnd
        names = Array(repeating: 0, count: Int(end))
    }

    /// Returns the contradictions it finds, for the operator. The counts of nodes are right afterwards.
    static func problems(of store: Store) -> [String] {
        let check = StoreCheck(store)
        while check.goOn(atMost: .max) {}
        return check.problems
    }

    /// Begins a check in slices. Only one at a time can follow the changes.
    static func begin(_ store: Store) -> StoreCheck {
        let check = StoreCheck(store)
        store.nodes.check = check
        return check
    }

    /// Looks at this number of further nodes. Returns whether some are left.
    func goOn(atMost count: Int) -> Bool {
        var left = count
        while left > 0, next < end {
            let id = NodeID(number: next)
            next += 1
            if nodes.isNode(id) { look(at: id) }
            left -= 1
        }
        while left > 0, next == end, compared < end {
            compareNames(of: NodeID(number: compared))
            compared += 1
            left -= 1
        }
        if next < end || compared < end { return true }
        finish()
        return false
    }

    /// Ends a check that nobody waits for any more.
    func giveUp() { if nodes.check === self { nodes.check = nil } }

    private func finish() {
        giveUp()
        for name in Store.specialNames where !nodes.find(special: name).exists { problems.append("\(name) is missing") }
        compareCounts()
    }

    // MARK: Counting

    /// The node begins to count to its owner, or ends.
    func follow(_ id: NodeID, by sign: Int) {
        if id.number < next || id.number >= end { count(id, by: sign) }
    }

    private func count(_ id: NodeID, by sign: Int) {
        seen += sign
        counted[Int(store.owner(of: id).rawValue)] += sign
        let node = store.pointer(id).pointee
        guard node.parent.exists else { return }
        let parent = Int(node.parent.number)
        if parent >= names.count { names += Array(repeating: 0, count: parent + 1) }
        names[parent] = names[parent] &+ UInt32(truncatingIfNeeded: sign * (Int(node.nameLength) + 1))
    }

    // MARK: Looking

    private func look(at id: NodeID) {
        let node = store.pointer(id).pointee
        guard node.isLive, node.parent.exists || id == store.root || isSpecial(id) else { return }
        count(id, by: 1)
        if node.parent.exists {
            if !knowsItsPath(node) { problems.append("\(text(id)) does not know its own path") }
            if !isListed(id, node) { problems.append("\(text(id)) is not in its place in its parent's list") }
            if !store.pointer(node.parent).pointee.isLive, store.history.detachedCount == 0 {
                problems.append("\(text(id)) is left, and its parent is gone")
            }
        }
        if !nodes.isLinked(id) { problems.append("\(text(id)) is not found by its permissions") }
        if !nodes.isIndexed(id) { problems.append("\(text(id)) cannot be found by its path") }
    }

    private func isSpecial(_ id: NodeID) -> Bool { Store.specialNames.contains { store.name(of: id).isEqual(to: $0) } }

    private func knowsItsPath(_ node: Node) -> Bool {
        let parent = store.pointer(node.parent).pointee
        let above = node.parent == store.root ? 0 : Int(parent.pathLength)
        return node.hash == store.hashing.child(node.name, of: parent.hash)
            && Int(node.pathLength) == above + 1 + Int(node.nameLength)
    }

    /// Whether the siblings before and after the node, or its parent, lead to it, and nothing else does.
    private func isListed(_ id: NodeID, _ node: Node) -> Bool {
        guard nodes.isNode(node.parent) else { return false }
        let parent = store.pointer(node.parent).pointee
        let before =
            node.previousSibling.exists
            ? store.pointer(node.previousSibling).pointee.nextSibling : parent.firstChild
        let after =
            node.nextSibling.exists ? store.pointer(node.nextSibling).pointee.previousSibling : parent.lastChild
        return before == id && after == id
    }

    // MARK: Comparing

    private func compareNames(of id: NodeID) {
        guard nodes.isNode(id) else { return }
        let node = store.pointer(id).pointee
        let names = Int(id.number) < names.count ? names[Int(id.number)] : 0
        if !node.isLive || names == node.childNamesLength { return }
        // Nobody keeps this number of a detached node.
        if store.history.detachedCount > 0, nodes.isDetached(id) { return }
        problems.append("\(text(id)) has miscounted the names of its children")
    }

    private func compareCounts() {
        if seen != store.count { problems.append("\(seen) nodes are there, \(store.count) were counted") }
        for (domain, nodes) in nodes.ledger.setNodes(counted) {
            problems.append(
                "domain \(domain.rawValue) owns \(counted[Int(domain.rawValue)]) nodes, \(nodes) were counted")
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
