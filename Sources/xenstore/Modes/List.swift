// SPDX-License-Identifier: Apache-2.0
import XenStoreClient

/// Shows the names of a node's children, one a line.
enum List: TransactionalMode {
    static let name: StaticString = "list"
    static let usage: StaticString = "[-h] [-p] [-s] key [...]"
    static let summary = "Prints the names of the children of each key."
    static let accepts: ExplainedOptions = [.prefix: "print the key before each name"]

    static func work(_ tool: inout Tool, in transaction: TransactionID) -> Int32 {
        for key in tool.operands {
            guard let names = try? tool.store.directory(key, in: transaction) else {
                return tool.fail("could not list path ", key)
            }
            for name in names {
                // Below the root that makes two slashes, as in Xen 4.17.
                if tool.has(.prefix) { tool.output.write(key + "/".utf8) }
                tool.output.write(name)
                tool.output.write("\n")
            }
        }
        return 0
    }
}
