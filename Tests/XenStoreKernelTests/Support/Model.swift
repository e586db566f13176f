// SPDX-License-Identifier: Apache-2.0
import XenStoreTestKit
import XenStoreWire

import struct TestSupport.Randomness

/// What one request asks of the tree.
struct Step: CustomStringConvertible {
    var operation: Operation
    var path: String
    var value = ""

    var payload: String {
        switch operation {
        case .write: "\(path)\0\(value)"
        case .setPermissions: "\(path)\0\(value)\0"
        case .directoryPart: "\(path)\00\0"
        default: "\(path)\0"
        }
    }
    var changesTree: Bool { [.write, .makeDirectory, .remove, .setPermissions].contains(operation) }
    var description: String { "\(operation) \(path) \(value)" }

    /// A request for one of few paths, so that steps meet.
    static func random(by random: inout Randomness) -> Step {
        let depth = Int.random(in: 1...3, using: &random)
        let path = (0..<depth).map { _ in "/" + "abc".randomElement(using: &random)!.description }.joined()
        let value =
            String(repeating: "v", count: [0, 1, 30, 300].randomElement(using: &random) ?? 0)
            + "\(Int.random(in: 0..<3, using: &random))"
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<6: return Step(operation: .write, path: path, value: value)
        case 6..<9: return Step(operation: .makeDirectory, path: path)
        case 9..<13: return Step(operation: .remove, path: path)
        case 13..<15:
            return Step(
                operation: .setPermissions, path: path,
                value: ["n0", "r0", "b3", "n4"].randomElement(using: &random) ?? "n0")
        case 15..<17: return Step(operation: .read, path: path)
        case 17..<19: return Step(operation: .directory, path: [path, "/"].randomElement(using: &random) ?? path)
        default: return Step(operation: .getPermissions, path: path)
        }
    }
}

/// The store as the documents have it, as simple as can be: a dictionary that transactions copy.
/// For dom0, who may do everything.
struct Model: Equatable {
    var contents = Contents()

    struct Transaction {
        var draft: Model
        var log: [(step: Step, reply: Reply)] = []
        var hasChanged = false

        mutating func perform(_ step: Step) -> Reply {
            let before = draft.contents
            let reply = draft.perform(step)
            log.append((step, reply))
            let rewrites = [.write, .setPermissions].contains(step.operation) && reply == .ok
            hasChanged = hasChanged || rewrites || draft.contents != before
            return reply
        }
    }

    mutating func perform(_ step: Step) -> Reply {
        switch step.operation {
        case .read: return node(step.path) { .text(String(decoding: $0.value, as: UTF8.self)) }
        case .directory: return node(step.path) { .text($0.children.map { "\($0)|" }.joined()) }
        case .getPermissions: return node(step.path) { .text($0.permissions.map { "\($0.text)|" }.joined()) }
        case .write:
            make(step.path)
            contents.nodes[step.path]?.value = Array(step.value.utf8)
            return .ok
        case .makeDirectory:
            make(step.path)
            return .ok
        case .setPermissions:
            guard contents.nodes[step.path] != nil else { return .error(.ENOENT) }
            let entry = Array(step.value.utf8).withUnsafeBytes { Permission(wire: $0) }
            contents.nodes[step.path]?.permissions = entry.map { [$0] } ?? []
            return .ok
        case .remove: return remove(step.path)
        default: return .none
        }
    }

    /// The transaction's requests are carried out anew; it commits if all is answered as before.
    mutating func commit(_ transaction: Transaction) -> Reply {
        // What has changed nothing saw one moment, and is true of that.
        if !transaction.hasChanged { return .ok }
        var result = self
        for (step, reply) in transaction.log where result.perform(step) != reply { return .error(.EAGAIN) }
        self = result
        return .ok
    }

    private func node(_ path: String, _ body: (Contents.Node) -> Reply) -> Reply {
        contents.nodes[path].map(body) ?? .error(.ENOENT)
    }

    private mutating func make(_ path: String) {
        if contents.nodes[path] != nil { return }
        let parent = Model.parent(path)
        make(parent)
        contents.nodes[parent]?.children.append(String(path.drop { $0 == "/" }.split(separator: "/").last ?? ""))
        contents.nodes[path] = Contents.Node(
            value: [], permissions: contents.nodes[parent]?.permissions ?? [], children: [])
    }

    private mutating func remove(_ path: String) -> Reply {
        let parent = Model.parent(path)
        guard contents.nodes[path] != nil else { return contents.nodes[parent] == nil ? .error(.ENOENT) : .ok }
        contents.nodes = contents.nodes.filter { $0.key != path && !$0.key.hasPrefix(path + "/") }
        let name = path.dropFirst(parent == "/" ? 1 : parent.count + 1)
        contents.nodes[parent]?.children.removeAll { $0 == name }
        return .ok
    }

    private static func parent(_ path: String) -> String {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

extension Permission {
    fileprivate var text: String { String(decoding: [access.letter], as: UTF8.self) + "\(domain.rawValue)" }
}
