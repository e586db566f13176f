// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStoreWire

/// The shared state of a ``XenStore``: the callers that wait for replies, the streams of events, and a thread that reads.
/// A caller sends its request itself and never blocks: the thread sends the bytes for which the daemon has no room yet.
final class Link: Sendable {
    typealias Answer = Result<Message, XenStoreError>

    private struct Waiter {
        var operation: Operation
        var resume: @Sendable (Answer) -> Void
    }

    private struct Stream {
        var path: [UInt8]
        var continuation: AsyncThrowingStream<WatchEvent, any Error>.Continuation
        /// Whether the daemon has the watch. Then the watch must be removed when nobody listens any more.
        var isWatched = false
    }

    private struct State {
        var waiters = Queue<Waiter>()
        var streams: [String: Stream] = [:]
        var streamsOpened: UInt64 = 0
        /// Bytes that the daemon has no room for yet.
        var outbox: [UInt8] = []
        var failure: XenStoreError?
    }

    private let channel: Channel
    private let wakeUp: WakeUp
    private let state = Locked(State())

    init(_ channel: Channel) throws(XenStoreError) {
        self.channel = channel
        channel.setNonBlocking()
        do throws(Errno) {
            wakeUp = try WakeUp()
            try startThread { [self] in run() }
        } catch {
            throw channel.lost(error.number)
        }
    }

    func close() { end(channel.lost(ECANCELED)) }

    // MARK: Requests

    /// Sends a frame. Calls `resume` with the daemon's reply, or with the error that ended the connection.
    func submit(
        _ frame: [UInt8], operation: Operation, resume: @escaping @Sendable (Answer) -> Void
    ) {
        let failure = state.withLock { state -> XenStoreError? in
            if let failure = state.failure { return failure }
            // Under the lock, so that the order of waiters is the order on the wire.
            state.waiters.append(Waiter(operation: operation, resume: resume))
            let hadBacklog = !state.outbox.isEmpty
            state.outbox += frame
            if !hadBacklog { flush(&state.outbox) }
            if !hadBacklog, !state.outbox.isEmpty { wakeUp.signal() }
            return nil
        }
        if let failure { resume(.failure(failure)) }
    }

    /// Sends as many bytes as the daemon has room for. It ignores errors: the reading thread sees them as well and ends
    /// the connection.
    private func flush(_ outbox: inout [UInt8]) {
        var sent = 0
        while sent < outbox.count, let count = try? channel.send(outbox, from: sent) {
            sent += count
        }
        outbox.removeFirst(sent)
    }

    // MARK: Watches

    /// Makes a stream for the events of a new watch, with a token of its own. The watch comes later.
    func openStream(
        _ path: [UInt8]
    ) -> (token: String, AsyncThrowingStream<WatchEvent, any Error>) {
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: WatchEvent.self)
        let token = state.withLock { state in
            state.streamsOpened &+= 1
            let token = "w\(state.streamsOpened)"
            state.streams[token] = Stream(path: path, continuation: continuation)
            return token
        }
        continuation.onTermination = { [weak self] _ in self?.dropStream(token) }
        return (token, stream)
    }

    func streamIsWatched(_ token: String) {
        state.withLock { $0.streams[token]?.isWatched = true }
    }

    /// Forgets a stream and removes its watch. Nobody waits for the reply.
    func dropStream(_ token: String) {
        guard let stream = state.withLock({ $0.streams.removeValue(forKey: token) }) else { return }
        stream.continuation.finish()
        guard stream.isWatched, let request = try? Request.unwatch(stream.path, token: token)
        else { return }
        submit(request.frame, operation: .unwatch) { _ in }
    }

    // MARK: The thread

    private func run() {
        var reader = MessageReader()
        do throws(XenStoreError) {
            while true {
                try waitUntilReady()
                try receive(&reader)
            }
        } catch {
            end(error)
        }
    }

    private func waitUntilReady() throws(XenStoreError) {
        let (hasBacklog, failure) = state.withLock { (!$0.outbox.isEmpty, $0.failure) }
        if let failure { throw failure }
        let interest = hasBacklog ? POLLIN | POLLOUT : POLLIN
        var entries = [
            pollfd(fd: channel.descriptor, events: Int16(interest), revents: 0),
            pollfd(fd: wakeUp.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&entries, nfds_t(entries.count), -1) >= 0 || errno == EINTR else {
            throw channel.lost(errno)
        }
        if entries[1].revents != 0 { wakeUp.drain() }
        if hasBacklog { state.withLock { flush(&$0.outbox) } }
    }

    private func receive(_ reader: inout MessageReader) throws(XenStoreError) {
        do throws(Errno) {
            let count = try reader.fill(from: channel)
            if count == 0 { throw Errno(number: ECONNRESET) }
        } catch {
            if error.isWouldBlock { return }
            throw channel.lost(error.number)
        }
        do throws(ProtocolViolation) {
            while let message = try reader.next() { try deliver(message) }
        } catch {
            throw .protocolViolation(error)
        }
    }

    private func deliver(_ message: Message) throws(ProtocolViolation) {
        let type = message.header.type
        if type == Operation.watchEvent.rawValue {
            let event = try WatchEvent(payload: message.payload)
            // There is no stream if the watch was removed just now.
            state.withLock { $0.streams[event.token] }?.continuation.yield(event)
            return
        }
        guard let waiter = state.withLock({ $0.waiters.popFirst() }) else {
            throw .unexpectedReply(to: .watchEvent, type: type)
        }
        let isAnswer = type == waiter.operation.rawValue || type == Operation.error.rawValue
        guard isAnswer else {
            let violation = ProtocolViolation.unexpectedReply(to: waiter.operation, type: type)
            waiter.resume(.failure(.protocolViolation(violation)))
            throw violation
        }
        waiter.resume(.success(message))
    }

    /// Ends the connection. All callers that wait, and all later ones, get the first reason.
    private func end(_ reason: XenStoreError) {
        let (waiters, streams) = state.withLock { state -> (Queue<Waiter>, [Stream]) in
            guard state.failure == nil else { return (Queue(), []) }
            state.failure = reason
            defer { (state.waiters, state.streams) = (Queue(), [:]) }
            return (state.waiters, Array(state.streams.values))
        }
        channel.hangUp()
        wakeUp.signal()
        var waiting = waiters
        while let waiter = waiting.popFirst() { waiter.resume(.failure(reason)) }
        for stream in streams {
            stream.continuation.finish(throwing: reason.isOurs ? nil : reason)
        }
    }
}

extension XenStoreError {
    /// The reason if this side has closed the connection.
    fileprivate var isOurs: Bool {
        if case .connection(let failure) = self { return failure.errno == ECANCELED }
        return false
    }
}
