// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Reading and changing nodes, in a transaction or outside of one.
public protocol NodeAccess: Sendable {
    /// The transaction of the requests.
    var transactionID: TransactionID { get }
    /// Sends a request and waits for its reply.
    func perform<Reply>(_ request: Request<Reply>) async throws(XenStoreError) -> Reply
}

extension NodeAccess {
    public func read(_ path: some WireText) async throws(XenStoreError) -> [UInt8] {
        try await perform(.read(path, in: transactionID))
    }

    /// A node's value as text, nil if there is no such node.
    public func readString(_ path: some WireText) async throws(XenStoreError) -> String? {
        do throws(XenStoreError) {
            return String(decoding: try await read(path), as: UTF8.self)
        } catch .wire(.ENOENT) {
            return nil
        }
    }

    public func write(
        _ path: some WireText, _ value: some WireText
    ) async throws(XenStoreError) {
        try await perform(.write(path, value, in: transactionID))
    }

    public func makeDirectory(_ path: some WireText) async throws(XenStoreError) {
        try await perform(.makeDirectory(path, in: transactionID))
    }

    public func remove(_ path: some WireText) async throws(XenStoreError) {
        try await perform(.remove(path, in: transactionID))
    }

    /// The names of all children of a node. The number has no limit.
    public func directory(_ path: some WireText) async throws(XenStoreError) -> [String] {
        do throws(XenStoreError) {
            return try await perform(.directory(path, in: transactionID))
        } catch .wire(.E2BIG) {
            return try await directoryInParts(path)
        }
    }

    public func getPermissions(
        _ path: some WireText
    ) async throws(XenStoreError) -> [Permission] {
        try await perform(.getPermissions(path, in: transactionID))
    }

    public func setPermissions(
        _ path: some WireText, _ permissions: [Permission]
    ) async throws(XenStoreError) {
        try await perform(.setPermissions(path, permissions, in: transactionID))
    }

    private func directoryInParts(
        _ path: some WireText
    ) async throws(XenStoreError) -> [String] {
        var assembly = DirectoryAssembly()
        while true {
            let part: DirectoryPart
            do throws(XenStoreError) {
                part = try await perform(
                    .directoryPart(path, from: assembly.offset, in: transactionID))
            } catch {
                // A daemon without DIRECTORY_PART has no better answer than its first one.
                throw error == .wire(.ENOSYS) ? .wire(.E2BIG) : error
            }
            if let names = try assembly.take(part) { return names }
        }
    }
}
