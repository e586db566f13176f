// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The limits of one client that the operator trusts less than dom0's own tools. It can see every node, so without
/// limits its transactions could make the daemon keep all old values.
extension ClientLimits {
    /// The keys of these limits, for a transport with such clients.
    public static let keys = [
        ConfigurationKey("watches", .number(0...1_000_000), default: .number(32), "Watches of one client."),
        ConfigurationKey(
            "transactions", .number(0...1_000_000), default: .number(4), "Open transactions of one client."),
        ConfigurationKey(
            "transaction-requests", .number(0...1_000_000_000), default: .number(8192),
            "Requests in one transaction."),
        ConfigurationKey(
            "memory", .size(0...1 << 40), default: .number(1 << 20),
            "Bytes that the daemon holds for one client: watches, transactions and their old values, unread messages."),
    ]

    /// Reads a block that was checked against ``keys``.
    public init(_ block: ConfigurationBlock) {
        self.init(
            watches: block.number("watches") ?? 0, transactions: block.number("transactions") ?? 0,
            transactionRequests: block.number("transaction-requests") ?? 0, memory: block.number("memory") ?? 0)
    }
}
