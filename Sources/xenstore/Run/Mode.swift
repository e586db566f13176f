// SPDX-License-Identifier: Apache-2.0
import XenStoreClient

/// One of the tools: `xenstore-NAME`, or `xenstore NAME`.
protocol Mode {
    static var name: StaticString { get }
    /// The part of the usage line after the name.
    static var usage: StaticString { get }
    /// What it does, for the help.
    static var summary: String { get }
    static var accepts: ExplainedOptions { get }
    /// Whether the number of operands is right.
    static func isUsable(_ operands: [Bytes]) -> Bool
    /// Does the work; returns the exit status.
    static func run(_ tool: inout Tool) -> Int32
}

extension Mode {
    static func isUsable(_ operands: [Bytes]) -> Bool { !operands.isEmpty }
}

/// A tool that works in one transaction. It shows its output only after the transaction has ended.
protocol TransactionalMode: Mode {
    /// False if a single request does the whole work.
    static func needsTransaction(_ operands: [Bytes]) -> Bool
    /// Does the work once, and returns the exit status. If it is not 0, the transaction is aborted.
    static func work(_ tool: inout Tool, in transaction: TransactionID) -> Int32
}

extension TransactionalMode {
    static func needsTransaction(_ operands: [Bytes]) -> Bool { true }

    static func run(_ tool: inout Tool) -> Int32 {
        guard needsTransaction(tool.operands) else { return work(&tool, in: .none) }
        while true {
            guard let transaction = try? tool.store.beginTransaction() else {
                tool.messages.warn(Bytes("couldn't start transaction".utf8))
                return 1
            }
            let status = work(&tool, in: transaction)
            do throws(XenStoreError) {
                try tool.store.endTransaction(transaction, commit: status == 0)
                return status
            } catch .wire(.EAGAIN) where status == 0 {
                // Another client was faster, so everything that this one has read may be wrong by now.
                tool.output.discard()
            } catch {
                tool.messages.warn(Bytes("couldn't end transaction".utf8))
                return 1
            }
        }
    }
}

/// The connection, the options and the outputs of a mode.
struct Tool {
    let store: XenStoreConnection
    let options: ParsedOptions
    var output = Output()
    let messages: Messages

    var operands: [Bytes] { options.operands }

    func has(_ option: Options) -> Bool { options.given.contains(option) }

    /// Warns and returns the exit status of failure.
    func fail(_ text: String, _ rest: Bytes = []) -> Int32 {
        messages.warn(Bytes(text.utf8) + rest)
        return 1
    }
}
