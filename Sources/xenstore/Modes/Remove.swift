// SPDX-License-Identifier: Apache-2.0
import XenStoreClient

/// Removes nodes and everything below them.
enum Remove: TransactionalMode {
    static let name: StaticString = "rm"
    static let usage: StaticString = "[-h] [-s] [-t] key [...]"
    static let summary = "Removes nodes and everything below them."
    static let accepts: ExplainedOptions = [.tidy: "also remove parents that are empty then"]

    static func work(_ tool: inout Tool, in transaction: TransactionID) -> Int32 {
        for key in tool.operands {
            guard (try? tool.store.remove(key, in: transaction)) != nil else {
                return tool.fail("could not remove path ", key)
            }
            if tool.has(.tidy) { tidyUp(above: key, tool.store, in: transaction) }
        }
        return 0
    }

    /// Removes the parents that have neither a value nor children any more.
    private static func tidyUp(
        above key: Bytes, _ store: XenStoreConnection, in transaction: TransactionID
    ) {
        var path = key[...]
        while let slash = path.lastIndex(of: UInt8(ascii: "/")), slash > path.startIndex {
            path = path[..<slash]
            guard let value = try? store.read(path, in: transaction), value.isEmpty,
                let names = try? store.directory(path, in: transaction), names.isEmpty
            else { return }
            try? store.remove(path, in: transaction)
        }
    }
}
