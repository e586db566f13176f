// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

// One method for each request, with the request's name. The requests have the documentation.
extension XenStoreConnection {
    public func read(
        _ path: some WireText, in transaction: TransactionID = .none
    ) throws(XenStoreError) -> [UInt8] {
        try perform(.read(path, in: transaction))
    }

    public func write(
        _ path: some WireText, _ value: some WireText, in transaction: TransactionID = .none
    ) throws(XenStoreError) {
        try perform(.write(path, value, in: transaction))
    }

    public func makeDirectory(
        _ path: some WireText, in transaction: TransactionID = .none
    ) throws(XenStoreError) {
        try perform(.makeDirectory(path, in: transaction))
    }

    public func remove(
        _ path: some WireText, in transaction: TransactionID = .none
    ) throws(XenStoreError) {
        try perform(.remove(path, in: transaction))
    }

    /// The names of all children of a node. The number has no limit.
    public func directory(
        _ path: some WireText, in transaction: TransactionID = .none
    ) throws(XenStoreError) -> [String] {
        do throws(XenStoreError) {
            return try perform(.directory(path, in: transaction))
        } catch .wire(.E2BIG) {
            return try directoryInParts(path, in: transaction)
        }
    }

    public func getPermissions(
        _ path: some WireText, in transaction: TransactionID = .none
    ) throws(XenStoreError) -> [Permission] {
        try perform(.getPermissions(path, in: transaction))
    }

    public func setPermissions(
        _ path: some WireText, _ permissions: [Permission], in transaction: TransactionID = .none
    ) throws(XenStoreError) {
        try perform(.setPermissions(path, permissions, in: transaction))
    }

    public func watch(
        _ path: some WireText, token: some WireText, depth: UInt32? = nil
    ) throws(XenStoreError) {
        try perform(.watch(path, token: token, depth: depth))
    }

    public func unwatch(_ path: some WireText, token: some WireText) throws(XenStoreError) {
        try perform(.unwatch(path, token: token))
    }

    public func resetWatches() throws(XenStoreError) { try perform(.resetWatches()) }

    public func beginTransaction() throws(XenStoreError) -> TransactionID {
        try perform(.transactionStart())
    }

    public func endTransaction(
        _ transaction: TransactionID, commit: Bool
    ) throws(XenStoreError) {
        try perform(.transactionEnd(transaction, commit: commit))
    }

    /// Runs `body` in a transaction. Whenever the daemon answers EAGAIN to the commit, `body` runs
    /// again from the start, so it must have no other effects. If it throws, nothing has happened.
    ///
    /// - Parameters:
    ///   - attemptsMax: the method throws EAGAIN after this many tries. A daemon lets one of the
    ///     conflicting transactions succeed, so the default goes on until this one does.
    ///   - body: performs the requests of the transaction.
    public func transaction<Result>(
        attemptsMax: Int = .max, _ body: (TransactionID) throws -> Result
    ) throws -> Result {
        var attempts = 0
        while true {
            attempts += 1
            let transaction = try beginTransaction()
            let result: Result
            do {
                result = try body(transaction)
            } catch {
                try? endTransaction(transaction, commit: false)
                throw error
            }
            do throws(XenStoreError) {
                try endTransaction(transaction, commit: true)
                return result
            } catch {
                guard error == .wire(.EAGAIN), attempts < attemptsMax else { throw error }
            }
        }
    }

    public func control(
        _ command: some WireText, _ arguments: [any WireText] = []
    ) throws(XenStoreError) -> String {
        try perform(.control(command, arguments))
    }

    private func directoryInParts(
        _ path: some WireText, in transaction: TransactionID
    ) throws(XenStoreError) -> [String] {
        var assembly = DirectoryAssembly()
        while true {
            let part: DirectoryPart
            do throws(XenStoreError) {
                part = try perform(.directoryPart(path, from: assembly.offset, in: transaction))
            } catch {
                // A daemon without DIRECTORY_PART has no better answer than its first one.
                throw error == .wire(.ENOSYS) ? .wire(.E2BIG) : error
            }
            if let names = try assembly.take(part) { return names }
        }
    }
}
