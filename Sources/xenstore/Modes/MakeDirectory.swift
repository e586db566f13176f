// SPDX-License-Identifier: Apache-2.0
import XenStoreClient

/// Creates nodes without a value. Xen's tools have no such mode.
enum MakeDirectory: TransactionalMode {
    static let name: StaticString = "mkdir"
    static let usage: StaticString = "[-h] key [...]"
    static let summary = "Creates nodes without a value."
    static let accepts: ExplainedOptions = [:]

    static func needsTransaction(_ operands: [Bytes]) -> Bool { operands.count > 1 }

    static func work(_ tool: inout Tool, in transaction: TransactionID) -> Int32 {
        for key in tool.operands {
            guard (try? tool.store.makeDirectory(key, in: transaction)) != nil else {
                return tool.fail("could not create path ", key)
            }
        }
        return 0
    }
}
