// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStoreClient

/// Sets the permissions of a node, of its parents (`-u`) and of all below it (`-r`).
enum Chmod: TransactionalMode {
    static let name: StaticString = "chmod"
    static let usage: StaticString = "[-h] [-u] [-r] [-s] key <mode [modes...]>"
    static let summary = "Sets the permissions of a node."
    static let accepts: ExplainedOptions = [
        .upto: "also set those of all nodes above",
        .recurse: "also set those of all nodes below",
    ]

    /// A reason to give up, with the words for it.
    private struct Refusal: Error {
        var text: Bytes
        var errno: Int32?
    }

    static func work(_ tool: inout Tool, in transaction: TransactionID) -> Int32 {
        do throws(Refusal) {
            try change(&tool, in: transaction)
            return 0
        } catch {
            if let errno = error.errno {
                tool.messages.warn(error.text, errno: errno)
            } else {
                tool.messages.warn(error.text)
            }
            return 1
        }
    }

    private static func change(_ tool: inout Tool, in transaction: TransactionID) throws(Refusal) {
        var path = tool.operands[0]
        var entries: [Bytes] = []
        for text in tool.operands.dropFirst() { entries.append(try entry(text)) }
        guard !path.isEmpty else { return }
        let change = Change(store: tool.store, transaction: transaction, entries: entries)
        try change.apply(to: path, recursing: tool.has(.recurse))
        while tool.has(.upto) {
            guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else {
                throw Refusal(text: "Unable to locate path separator '/' in '".utf8 + path + "'".utf8)
            }
            path = Bytes(path[..<slash])
            guard !path.isEmpty else { return }
            try change.apply(to: path, recursing: false)
        }
    }

    /// Turns one `n0` of the command line into the text of a request. It checks only the letter, and cuts the number to 32
    /// bits. The daemon checks the rest.
    private static func entry(_ text: Bytes) throws(Refusal) -> Bytes {
        guard let letter = text.first, "nrwb".utf8.contains(letter) else {
            let shown = text.first ?? 0
            throw Refusal(text: "Invalid permission specification: '".utf8 + [shown] + "'".utf8)
        }
        return [letter] + String(Bytes(text.dropFirst()).leadingInt32).utf8
    }

    /// New permissions on their way to a node.
    private struct Change {
        let store: XenStoreConnection
        let transaction: TransactionID
        let entries: [Bytes]

        func apply(to path: Bytes, recursing: Bool) throws(Refusal) {
            do throws(XenStoreError) {
                try store.perform(.setPermissions(path, entries: entries, in: transaction))
            } catch {
                let text = "Error occurred setting permissions on '".utf8 + path + "'".utf8
                throw Refusal(text: Bytes(text), errno: error.errno)
            }
            guard recursing, let names = try? store.directory(path, in: transaction) else { return }
            for name in names { try apply(to: path + "/".utf8 + name.utf8, recursing: true) }
        }
    }
}
