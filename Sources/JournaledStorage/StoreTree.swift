// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The nodes of a store as a tree: the order for the kernel, and the problems of the tree.
struct StoreTree {
    /// Indexes of the content's records: special nodes first, then parents before their children, and children in the
    /// order of their creation.
    private(set) var order: [Int] = []
    /// The problems, a line each, for the operator.
    private(set) var problems: [String] = []

    private let content: StoreContent
    private var isReached: [Bool]

    init(of content: StoreContent) {
        self.content = content
        isReached = Array(repeating: false, count: content.records.count)
        for (position, record) in content.records.enumerated() where record.data != nil && record.key.isSpecial {
            reach(position)
        }
        descend()
        for (position, record) in content.records.enumerated()
        where record.data != nil && record.key.isNode && !isReached[position] {
            problems.append("\(record.key.text) is in no list of children")
        }
    }

    private mutating func descend() {
        var waiting = [Array("/".utf8)]
        while let path = waiting.popLast() {
            guard let position = path.withBytes({ content.position(of: Bytes($0)) }) else {
                // An empty store has no root yet.
                if path.count > 1 { problems.append("\(text(path)) is listed by its parent, but missing") }
                continue
            }
            guard !isReached[position] else {
                problems.append("\(text(path)) is listed twice by its parent")
                continue
            }
            guard let node = reach(position) else { continue }
            for name in node.childNames.reversed() { waiting.append(Self.path(of: name, below: path)) }
        }
    }

    /// Adds a node to the order, unless its record is not a node's.
    @discardableResult
    private mutating func reach(_ position: Int) -> StoredNode? {
        isReached[position] = true
        let (key, data) = content.records[position]
        guard StoredPath.isValid(key.raw), let node = data.flatMap(StoredNode.init),
            node.value.count <= Limits.payloadMax
        else {
            problems.append("\(key.text) has a record that is no node's")
            return nil
        }
        order.append(position)
        return node
    }

    static func path(of name: UnsafeRawBufferPointer, below parent: [UInt8]) -> [UInt8] {
        var path = parent
        if path.count > 1 { path.append(UInt8(ascii: "/")) }
        path.append(contentsOf: name)
        return path
    }

    private func text(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }
}

/// The paths that the protocol allows. A damaged file may hold others.
enum StoredPath {
    static func isValid(_ path: UnsafeRawBufferPointer) -> Bool {
        guard path.count <= Limits.absolutePathMax, let first = path.first, path.allSatisfy(isAllowed) else {
            return false
        }
        if first == UInt8(ascii: "@") { return specials.contains { path.elementsEqual($0.utf8) } }
        if path.count == 1 { return first == slash }
        return first == slash
            && path.dropFirst().split(separator: slash, omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty }
    }

    static let slash = UInt8(ascii: "/")
    private static let specials = ["@introduceDomain", "@releaseDomain"]

    /// `[A-Za-z0-9-/_@]`
    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "@"), slash:
            true
        default: false
        }
    }
}
