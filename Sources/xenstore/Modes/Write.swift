// SPDX-License-Identifier: Apache-2.0
import XenStoreClient

/// Sets the values of nodes.
enum Write: TransactionalMode {
    static let name: StaticString = "write"
    static let usage: StaticString = "[-h] [-s] [-R] key value [...]"
    static let summary = "Sets values, all in one transaction."
    static let accepts: ExplainedOptions = [.raw: "write the value unchanged, and ignore escapes in it"]

    static func isUsable(_ operands: [Bytes]) -> Bool {
        !operands.isEmpty && operands.count.isMultiple(of: 2)
    }

    static func needsTransaction(_ operands: [Bytes]) -> Bool { operands.count > 2 }

    static func work(_ tool: inout Tool, in transaction: TransactionID) -> Int32 {
        for index in stride(from: 0, to: tool.operands.count, by: 2) {
            let (key, text) = (tool.operands[index], tool.operands[index + 1])
            let value = tool.has(.raw) ? text : ValueText.unescape(text)
            guard (try? tool.store.write(key, value, in: transaction)) != nil else {
                return tool.fail("could not write path ", key)
            }
        }
        return 0
    }
}
