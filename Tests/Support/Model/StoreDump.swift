// SPDX-License-Identifier: Apache-2.0

/// The content of a daemon's store, read by a client of the toolstack.
public struct StoreDump: Sendable {
    public struct Node: Sendable {
        public var value: [UInt8]
        public var permissions: [String]
        public var children: [String]
        public var generation: UInt64

        public init(value: [UInt8], permissions: [String], children: [String], generation: UInt64) {
            self.value = value
            self.permissions = permissions
            self.children = children
            self.generation = generation
        }
    }

    public private(set) var nodes: [String: Node] = [:]
    public private(set) var quotas: [String: UInt32] = [:]

    /// A store with these nodes, by path.
    public init(_ nodes: [String: Node]) { self.nodes = nodes }

    /// Reads all nodes below these paths, and these quotas, by domain and name.
    public init(_ tops: [String], quotas: [String] = [], by client: RawClient) throws {
        var level = tops
        while !level.isEmpty {
            // Send all requests at once, so one turn of the daemon answers many.
            let requests = level.flatMap { path in
                [Op.read, .getPerms, .directory].map { Message($0, "\(path)\0") }
                    + [Message(.directoryPart, "\(path)\00\0")]
            }
            var answers = try client.ask(requests)[...]
            var next: [String] = []
            for path in level {
                let four = Array(answers.prefix(4))
                answers = answers.dropFirst(4)
                guard let node = Self.node(four) else { continue }
                nodes[path] = node
                next += node.children.map { "\(path)/\($0)" }
            }
            level = next
        }
        let names = quotas.map { Message(.getQuota, $0.split(separator: " ").joined(separator: "\0") + "\0") }
        for (name, answer) in zip(quotas, try client.ask(names)) {
            self.quotas[name] = answer.strings.first.flatMap { UInt32($0) }
        }
    }

    private static func node(_ answers: [Answer]) -> Node? {
        if answers.allSatisfy({ $0 == .ENOENT }) { return nil }
        return Node(
            value: answers[0].bytes, permissions: answers[1].strings, children: answers[2].strings,
            generation: answers[3].strings.first.flatMap { UInt64($0) } ?? 0)
    }

    /// The differences from the model, by path.
    public func differences(from tree: ModelTree) -> [String: String] {
        var found: [String: String] = [:]
        for path in tree.nodes.keys { found[path] = difference(at: path, from: tree) }
        // The children of its parent show a node that the model does not have, unless the node has lost its parent.
        for path in nodes.keys where tree.nodes[path] == nil && tree.nodes[ModelTree.parent(of: path)] != nil {
            found[path] = difference(at: path, from: tree)
        }
        return found
    }

    public func difference(at path: String, from tree: ModelTree) -> String? {
        switch (nodes[path], tree.nodes[path]) {
        case (nil, nil): return nil
        case (_?, nil): return "\(path) is there"
        case (nil, _?): return "\(path) is not there"
        case (let found?, let expected?):
            if found.value != expected.value {
                return "\(path) is \(printable(found.value)) and not \(printable(expected.value))"
            }
            if found.permissions != expected.permissions {
                return "\(path) has permissions \(found.permissions) and not \(expected.permissions)"
            }
            if found.children != expected.children {
                return "\(path) has children \(found.children) and not \(expected.children)"
            }
            return nil
        }
    }

    /// Whether the store has these quotas. The store may have others.
    func agrees(with quotas: [String: UInt32]) -> Bool { quotas.allSatisfy { self.quotas[$0.key] == $0.value } }
}

extension RawClient {
    /// Performs many requests at once.
    public func ask(_ requests: [Message]) throws -> [Answer] {
        // The number is small enough for the outbox of a client that does not read.
        var answers: [Answer] = []
        for start in stride(from: 0, to: requests.count, by: 200) {
            let some = requests[start..<min(start + 200, requests.count)]
            try send(some.flatMap(\.bytes))
            for request in some { answers.append(try answer(to: request)) }
        }
        return answers
    }
}
