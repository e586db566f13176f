// SPDX-License-Identifier: Apache-2.0

/// The nodes of some subtrees, as the protocol defines them. Only one client changes them.
public struct ModelTree: Sendable {
    public struct Node: Sendable {
        public var value: [UInt8] = []
        public var permissions: [String]
        /// The names of the children, in the order of their creation.
        public var children: [String] = []
        /// A number that changes with each new generation of the node.
        public var version: Int
    }

    public private(set) var nodes: [String: Node] = [:]
    /// The nodes that have changed, appeared or disappeared since somebody emptied this.
    public var touched: Set<String> = []
    private var lastVersion = 0

    /// A change that fires watches.
    public enum Change: Sendable {
        case changed(String)
        /// A node above was removed, and this one with it.
        case goneBelow(String)
    }

    /// - Parameter tops: the top nodes of the subtrees, by path, with their permissions.
    public init(_ tops: [String: [String]]) {
        for (path, permissions) in tops { nodes[path] = Node(permissions: permissions, version: 0) }
    }

    public static func parent(of path: String) -> String {
        path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[..<$0]) } ?? ""
    }

    static func name(of path: String) -> String {
        path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[path.utf8.index(after: $0)...]) } ?? path
    }

    /// Performs a request about nodes. Returns the answer, and the changes in the order of their events.
    public mutating func apply(_ request: ModelRequest) -> (answer: Answer, changes: [Change]) {
        switch request {
        case .write(let path, let value):
            if nodes[path] == nil { return make(path, value) }
            nodes[path]?.value = value
            touch(path)
            return (.ok, [.changed(path)])
        case .makeDirectory(let path): return nodes[path] == nil ? make(path, []) : (.ok, [])
        case .remove(let path): return remove(path)
        case .setPermissions(let path, let permissions):
            guard nodes[path] != nil else { return (.ENOENT, []) }
            nodes[path]?.permissions = permissions
            touch(path)
            return (.ok, [.changed(path)])
        case .read(let path): return (nodes[path].map { .data($0.value) } ?? .ENOENT, [])
        case .directory(let path): return (nodes[path].map { Self.list($0.children) } ?? .ENOENT, [])
        case .getPermissions(let path): return (nodes[path].map { Self.list($0.permissions) } ?? .ENOENT, [])
        default: preconditionFailure("\(request) has nothing to do with nodes")
        }
    }

    private static func list(_ strings: [String]) -> Answer { .data(strings.flatMap { Array($0.utf8) + [0] }) }

    private mutating func touch(_ path: String) {
        lastVersion += 1
        nodes[path]?.version = lastVersion
        touched.insert(path)
    }

    private mutating func make(_ path: String, _ value: [UInt8]) -> (Answer, [Change]) {
        var missing = [path]
        while case let parent = Self.parent(of: missing[missing.count - 1]), nodes[parent] == nil {
            precondition(!parent.isEmpty, "\(path) is not the client's")
            missing.append(parent)
        }
        for path in missing.reversed() {
            let parent = Self.parent(of: path)
            nodes[path] = Node(permissions: nodes[parent]?.permissions ?? [], version: 0)
            nodes[parent]?.children.append(Self.name(of: path))
            touch(parent)
            touch(path)
        }
        nodes[path]?.value = value
        return (.ok, [.changed(path)])
    }

    private mutating func remove(_ path: String) -> (Answer, [Change]) {
        let parent = Self.parent(of: path)
        guard nodes[path] != nil else { return (nodes[parent] == nil ? .ENOENT : .ok, []) }
        var changes: [Change] = []
        drop(path, &changes)
        let name = Self.name(of: path)
        nodes[parent]?.children.removeAll { $0 == name }
        touch(parent)
        return (.ok, changes + [.changed(path)])
    }

    private mutating func drop(_ path: String, _ changes: inout [Change]) {
        for name in nodes[path]?.children ?? [] {
            drop("\(path)/\(name)", &changes)
            changes.append(.goneBelow("\(path)/\(name)"))
        }
        nodes[path] = nil
        touched.insert(path)
    }
}
