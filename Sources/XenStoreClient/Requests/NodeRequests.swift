// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

extension Request where Reply == [UInt8] {
    /// The value of a node.
    public static func read(
        _ path: some WireText, in transaction: TransactionID = .none
    ) throws(XenStoreError) -> Self {
        try Self(.read, in: transaction, strings: [path], decode: Replies.bytes)
    }
}

extension Request where Reply == [String] {
    /// The names of a node's children. E2BIG if they do not fit in one message.
    public static func directory(
        _ path: some WireText, in transaction: TransactionID = .none
    ) throws(XenStoreError) -> Self {
        try Self(.directory, in: transaction, strings: [path]) { payload throws(ProtocolViolation) in
            try Replies.names(of: .directory, payload)
        }
    }
}

extension Request where Reply == DirectoryPart {
    /// As many names of a node's children as fit in one message, from byte `offset` of the list.
    public static func directoryPart(
        _ path: some WireText, from offset: Int, in transaction: TransactionID = .none
    ) throws(XenStoreError) -> Self {
        try Self(
            .directoryPart, in: transaction, strings: [path, String(offset)],
            decode: DirectoryPart.init(payload:))
    }
}

extension Request where Reply == [Permission] {
    /// A node's permissions; the first entry names its owner.
    public static func getPermissions(
        _ path: some WireText, in transaction: TransactionID = .none
    ) throws(XenStoreError) -> Self {
        try Self(.getPermissions, in: transaction, strings: [path], decode: Replies.permissions)
    }
}

extension Request where Reply == [[UInt8]] {
    /// As ``getPermissions(_:in:)``, but with the text of each entry as the daemon sent it. Xen 4.17's daemon accepts
    /// numbers that are no domain ids, and a tool must still show them.
    public static func getPermissionEntries(
        _ path: some WireText, in transaction: TransactionID = .none
    ) throws(XenStoreError) -> Self {
        try Self(
            .getPermissions, in: transaction, strings: [path], decode: Replies.permissionEntries)
    }
}

extension Request where Reply == Void {
    /// Sets a node's value. Creates the node and its parents if they do not exist.
    public static func write(
        _ path: some WireText, _ value: some WireText, in transaction: TransactionID = .none
    ) throws(XenStoreError) -> Self {
        try Self(
            .write, in: transaction, strings: [path], tail: value.wireBytes,
            decode: Replies.nothing)
    }

    /// Creates a node and its parents if they do not exist.
    public static func makeDirectory(
        _ path: some WireText, in transaction: TransactionID = .none
    ) throws(XenStoreError) -> Self {
        try Self(.makeDirectory, in: transaction, strings: [path], decode: Replies.nothing)
    }

    /// Removes a node and everything below it.
    public static func remove(
        _ path: some WireText, in transaction: TransactionID = .none
    ) throws(XenStoreError) -> Self {
        try Self(.remove, in: transaction, strings: [path], decode: Replies.nothing)
    }

    /// Sets a node's permissions; the first entry names its owner.
    public static func setPermissions(
        _ path: some WireText, _ permissions: [Permission], in transaction: TransactionID = .none
    ) throws(XenStoreError) -> Self {
        let entries = permissions.map { permission in
            [permission.access.letter] + Array(String(permission.domain.rawValue).utf8)
        }
        return try setPermissions(path, entries: entries, in: transaction)
    }

    /// As ``setPermissions(_:_:in:)``, but with the text of each entry as it is sent. The daemon checks the text.
    public static func setPermissions(
        _ path: some WireText, entries: [some WireText], in transaction: TransactionID = .none
    ) throws(XenStoreError) -> Self {
        try Self(
            .setPermissions, in: transaction, strings: [path as any WireText] + entries,
            decode: Replies.nothing)
    }
}
