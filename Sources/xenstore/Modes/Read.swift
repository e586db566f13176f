// SPDX-License-Identifier: Apache-2.0
import XenStoreClient

/// Shows the values of nodes.
enum Read: TransactionalMode {
    static let name: StaticString = "read"
    static let usage: StaticString = "[-h] [-p] [-s] [-R] key [...]"
    static let summary = "Prints values."
    static let accepts: ExplainedOptions = [
        .prefix: "print the key before each value",
        .raw: "print all bytes unchanged instead of escaping them",
        .json: "print all values as one JSON object",
    ]

    static func needsTransaction(_ operands: [Bytes]) -> Bool { operands.count > 1 }

    static func work(_ tool: inout Tool, in transaction: TransactionID) -> Int32 {
        var values: [(key: Bytes, value: Bytes)] = []
        for key in tool.operands {
            guard let value = try? tool.store.read(key, in: transaction) else {
                return tool.fail("couldn't read path ", key)
            }
            if tool.has(.json) { values.append((key, value)) } else { show(key, value, &tool) }
        }
        if tool.has(.json) { tool.output.write(JSON.object(values.map { ($0, JSON.value($1)) }) + "\n".utf8) }
        return 0
    }

    private static func show(_ key: Bytes, _ value: Bytes, _ tool: inout Tool) {
        if tool.has(.prefix) { tool.output.write(key + ": ".utf8) }
        if tool.has(.raw) {
            tool.output.write(value)
        } else {
            tool.output.write(ValueText.escape(value) + "\n".utf8)
        }
    }
}
