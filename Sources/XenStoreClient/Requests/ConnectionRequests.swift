// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

extension Request where Reply == TransactionID {
    /// Begins a transaction.
    public static func transactionStart() throws(XenStoreError) -> Self {
        try Self(.transactionStart, strings: [""], decode: Replies.transaction)
    }
}

extension Request where Reply == Void {
    /// Ends a transaction. If a commit conflicts with another change, the daemon answers EAGAIN: begin again.
    public static func transactionEnd(
        _ transaction: TransactionID, commit: Bool
    ) throws(XenStoreError) -> Self {
        try Self(
            .transactionEnd, in: transaction, strings: [commit ? "T" : "F"],
            decode: Replies.nothing)
    }

    /// Asks for an event whenever something changes at or below `path`.
    ///
    /// - Parameters:
    ///   - path: the node to watch.
    ///   - token: the client's own word for the watch, which each event repeats.
    ///   - depth: how many levels below `path` count; nil is all of them. A daemon without the feature
    ///     `Feature.watchDepth` answers EINVAL.
    public static func watch(
        _ path: some WireText, token: some WireText, depth: UInt32? = nil
    ) throws(XenStoreError) -> Self {
        let strings: [any WireText] = [path, token] + (depth.map { [String($0)] } ?? [])
        return try Self(.watch, strings: strings, decode: Replies.nothing)
    }

    /// Removes a watch. Events that are already on their way still come.
    public static func unwatch(
        _ path: some WireText, token: some WireText
    ) throws(XenStoreError) -> Self {
        try Self(.unwatch, strings: [path, token], decode: Replies.nothing)
    }

    /// Drops all watches and transactions of this connection.
    public static func resetWatches() throws(XenStoreError) -> Self {
        try Self(.resetWatches, strings: [""], decode: Replies.nothing)
    }
}

extension Request where Reply == String {
    /// A command for the daemon itself. The reply is text for people.
    public static func control(
        _ command: some WireText, _ arguments: [any WireText] = []
    ) throws(XenStoreError) -> Self {
        try Self(.control, strings: [command] + arguments, decode: Replies.text)
    }
}
