// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The nodes of a damaged store, joined to a tree again.
struct RepairedTree {
    /// The changes that the repair has made, a line each.
    private(set) var changes: [String] = []
    private var nodes: [[UInt8]: Node] = [:]

    private struct Node {
        var generation: UInt64 = 0
        /// The permissions of a node that the repair has to make: only dom0 may use it.
        var permissions = [Permission([], .control)]
        var value: [UInt8] = []
        var children: [[UInt8]] = []
    }

    private static let root = Array("/".utf8)

    init(of content: StoreContent) {
        for (key, data) in content.records where key.isNode {
            guard let data else { continue }
            guard StoredPath.isValid(key.raw), let node = StoredNode(data), node.value.count <= Limits.payloadMax
            else {
                changes.append("\(key.text) is dropped: its record is no node's")
                continue
            }
            nodes[Array(key.raw)] = Node(
                generation: node.generation, permissions: node.permissions, value: Array(node.value),
                children: node.childNames.map { Array($0) })
        }
        if nodes.isEmpty { return }
        makeMissingParents()
        listChildren()
    }

    var count: Int { nodes.count }

    /// The records of all nodes.
    var records: [(key: [UInt8], data: [UInt8])] {
        nodes.map { path, node in
            let data = path.withBytes { path in
                node.value.withBytes { value in
                    let names: [UInt8] = node.children.flatMap { $0 + [0] }
                    return StoredNode.bytes(
                        of: NodeRecord(
                            path: path, value: value, permissions: node.permissions,
                            generation: node.generation, children: names))
                }
            }
            return (path, data)
        }
    }

    private mutating func makeMissingParents() {
        for path in Array(nodes.keys) {
            var path = path
            while let parent = Self.parent(of: path), nodes[parent] == nil {
                nodes[parent] = Node(generation: nodes[path]?.generation ?? 0)
                changes.append("\(text(parent)) is made again, empty: only nodes below it are left")
                path = parent
            }
        }
    }

    /// Makes sure that each parent lists each of its children once, and nothing else. Missing children go to the end of
    /// the list, older ones first.
    private mutating func listChildren() {
        var listed: Set<[UInt8]> = []
        for (path, node) in nodes {
            let children = node.children.filter { name in
                let child = name.withBytes { StoreTree.path(of: $0, below: path) }
                if nodes[child] != nil, Self.parent(of: child) == path, listed.insert(child).inserted {
                    return true
                }
                changes.append("\(text(child)) is struck from its parent's list")
                return false
            }
            nodes[path]?.children = children
        }
        let orphans = nodes.filter { Self.parent(of: $0.key) != nil && !listed.contains($0.key) }
        for (path, _) in orphans.sorted(by: { $0.value.generation < $1.value.generation }) {
            guard let parent = Self.parent(of: path), let slash = path.lastIndex(of: StoredPath.slash) else {
                continue
            }
            nodes[parent]?.children.append(Array(path[(slash + 1)...]))
            changes.append("\(text(path)) is added to its parent's list")
        }
    }

    /// The path of the parent; nil for the root and for special nodes.
    private static func parent(of path: [UInt8]) -> [UInt8]? {
        guard path.count > 1, path.first == StoredPath.slash,
            let slash = path.lastIndex(of: StoredPath.slash)
        else { return nil }
        return slash == 0 ? root : Array(path[..<slash])
    }

    private func text(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }
}
