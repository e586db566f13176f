// SPDX-License-Identifier: Apache-2.0
import XenStoreClient

/// Tells by its exit status whether all nodes exist.
enum Exists: TransactionalMode {
    static let name: StaticString = "exists"
    static let usage: StaticString = "[-h] [-p] [-s] key [...]"
    static let summary = "Succeeds if all keys exist."
    static let accepts: ExplainedOptions = [:]

    static func work(_ tool: inout Tool, in transaction: TransactionID) -> Int32 {
        for key in tool.operands where (try? tool.store.read(key, in: transaction)) == nil {
            return 1
        }
        return 0
    }
}
