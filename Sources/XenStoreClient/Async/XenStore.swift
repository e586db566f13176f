// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A connection for concurrent code: any number of tasks may use it at once. They send their requests
/// one after the other, without waiting for each other's replies. Watches run beside them.
///
///     let store = try XenStore()
///     try await store.transaction { transaction in
///         let count = try await transaction.readString("/tool/count").flatMap(Int.init) ?? 0
///         try await transaction.write("/tool/count", String(count + 1))
///     }
///     for try await event in try await store.watch("/local/domain") { print(event.path) }
///
/// The connection closes when the last reference to it is gone. Once it is lost, every call throws
/// the error that ended it, and every sequence of events ends with that error.
public final class XenStore: NodeAccess {
    private let link: Link

    /// Connects, or throws at once where nothing answers.
    public init(to endpoint: Endpoint = .standard) throws(XenStoreError) {
        link = try Link(Channel.open(endpoint))
    }

    /// Takes over a connected stream socket.
    public init(adopting descriptor: Int32) throws(XenStoreError) {
        link = try Link(Channel(adopting: descriptor, path: "descriptor \(descriptor)"))
    }

    deinit { link.close() }

    /// Ends the connection now, for everybody who uses it.
    public func close() { link.close() }

    /// Outside of any transaction.
    public var transactionID: TransactionID { .none }

    public func perform<Reply>(
        _ request: Request<Reply>
    ) async throws(XenStoreError) -> Reply {
        let answer = await withCheckedContinuation { continuation in
            link.submit(request.frame, operation: request.operation) {
                continuation.resume(returning: $0)
            }
        }
        let message = try answer.get()
        return try request.reply(type: message.header.type, payload: message.payload)
    }

    /// Runs `body` in a transaction. Whenever the daemon answers EAGAIN to the commit, `body` runs
    /// again from the start, so it must have no other effects. If it throws, nothing has happened.
    ///
    /// - Parameters:
    ///   - attemptsMax: the method throws EAGAIN after this many tries. A daemon lets one of the
    ///     conflicting transactions succeed, so the default goes on until this one does, or the task is
    ///     cancelled.
    ///   - isolation: the actor of the caller, on which `body` runs.
    ///   - body: performs the requests of the transaction.
    public func transaction<Result>(
        attemptsMax: Int = .max, isolation: isolated (any Actor)? = #isolation,
        _ body: (Transaction) async throws -> Result
    ) async throws -> Result {
        var attempts = 0
        while true {
            try Task.checkCancellation()
            attempts += 1
            let id = try await perform(.transactionStart())
            let result: Result
            do {
                result = try await body(Transaction(store: self, transactionID: id))
            } catch {
                _ = try? await perform(.transactionEnd(id, commit: false))
                throw error
            }
            do throws(XenStoreError) {
                try await perform(.transactionEnd(id, commit: true))
                return result
            } catch {
                guard error == .wire(.EAGAIN), attempts < attemptsMax else { throw error }
            }
        }
    }

    /// The changes at and below `path`. The first event says that the watch is set.
    ///
    /// Events wait in memory for their reader. The watch is removed when nobody iterates the sequence
    /// any more, or its task is cancelled.
    ///
    /// - Parameters:
    ///   - path: the node to watch.
    ///   - depth: how many levels below `path` count; nil is all of them.
    public func watch(
        _ path: some WireText, depth: UInt32? = nil
    ) async throws(XenStoreError) -> WatchEvents {
        let (token, stream) = link.openStream(path.wireBytes)
        do throws(XenStoreError) {
            try await perform(.watch(path, token: token, depth: depth))
        } catch {
            link.dropStream(token)
            throw error
        }
        link.streamIsWatched(token)
        return WatchEvents(store: self, stream: stream)
    }

    /// Sends a command to the daemon itself. The reply is text for people.
    public func control(
        _ command: some WireText, _ arguments: [any WireText] = []
    ) async throws(XenStoreError) -> String {
        try await perform(.control(command, arguments))
    }
}

/// The events of a watch, in order. See ``XenStore/watch(_:depth:)``.
public struct WatchEvents: AsyncSequence, Sendable {
    public typealias Element = WatchEvent

    /// The sequence keeps the connection open.
    let store: XenStore
    let stream: AsyncThrowingStream<WatchEvent, any Error>

    public struct AsyncIterator: AsyncIteratorProtocol {
        let store: XenStore
        var base: AsyncThrowingStream<WatchEvent, any Error>.AsyncIterator

        /// The next event; nil after this side has closed the connection.
        public mutating func next() async throws -> WatchEvent? { try await base.next() }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(store: store, base: stream.makeAsyncIterator())
    }
}

/// An open transaction. ``XenStore/transaction(attemptsMax:isolation:_:)`` ends it.
public struct Transaction: NodeAccess {
    private let store: XenStore
    public let transactionID: TransactionID

    init(store: XenStore, transactionID: TransactionID) {
        self.store = store
        self.transactionID = transactionID
    }

    public func perform<Reply>(
        _ request: Request<Reply>
    ) async throws(XenStoreError) -> Reply {
        try await store.perform(request)
    }
}
