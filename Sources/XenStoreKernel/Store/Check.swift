// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// CONTROL `check`: that the store is what it should be, and that what domains hold was counted
/// right.
extension Machine {
    /// Logs what is wrong and mends the counts.
    func check() {
        let problems = store.findProblems()
        for problem in problems { log(.error, "check: \(problem)") }
        if problems.isEmpty { log(.info, "check: \(store.count) nodes, all is well") }
    }
}

extension Store {
    /// What contradicts itself, for the operator. The counts of nodes are right afterwards.
    func findProblems() -> [String] {
        var problems: [String] = []
        var seen = 0
        var counted: [DomainID: Int] = [:]
        var isListed: Set<NodeID> = [root]
        forEachPostorder(from: root) { id in
            seen += 1
            counted[owner(of: id), default: 0] += 1
            var names = 0
            var child = firstChild(of: id)
            while child.exists {
                names += Int(pointer(child).pointee.nameLength) + 1
                if parent(of: child) != id { problems.append("\(text(child)) does not know its parent") }
                if !isListed.insert(child).inserted { problems.append("\(text(child)) is listed twice") }
                child = nextSibling(of: child)
            }
            if names != childNamesLength(of: id, limit: .max) {
                problems.append("\(text(id)) has miscounted the names of its children")
            }
            let node = pointer(id).pointee
            if id != root {
                let parent = pointer(node.parent).pointee
                let isHash = node.hash == hashing.child(node.name, of: parent.hash)
                let above = node.parent == root ? 0 : Int(parent.pathLength)
                if !isHash || Int(node.pathLength) != above + 1 + Int(node.nameLength) {
                    problems.append("\(text(id)) does not know its own path")
                }
            }
            let hash = UInt32(truncatingIfNeeded: node.hash)
            if index.find(hash, where: { $0 == id.number }) == 0 {
                problems.append("\(text(id)) cannot be found by its path")
            }
        }
        for special in ["@introduceDomain", "@releaseDomain"] as [StaticString] {
            let name = UnsafeRawBufferPointer(special)
            let hash = UInt32(truncatingIfNeeded: hashing.child(name, of: hashing.special))
            let number = index.find(hash) { nodes[$0].pointee.name.isEqual(to: name) }
            if number == 0 {
                problems.append("\(special) is missing")
            } else {
                seen += 1
                counted[owner(of: NodeID(number: number)), default: 0] += 1
            }
        }
        if seen != count { problems.append("\(seen) nodes are there, \(count) were counted") }
        for (domain, nodes) in ledger.setNodes(counted) {
            problems.append("domain \(domain.rawValue) owns \(counted[domain] ?? 0) nodes, \(nodes) were counted")
        }
        return problems
    }

    /// The node's path by the names on the way to the root: what the node knows of its path may be what is wrong.
    private func text(_ id: NodeID) -> String {
        var names: [String] = []
        var id = id
        while id != root, id.exists {
            names.append(String(decoding: name(of: id), as: UTF8.self))
            id = pointer(id).pointee.parent
        }
        return "/" + names.reversed().joined(separator: "/")
    }
}
