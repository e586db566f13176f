// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStoreWire

/// A connection whose calls wait for the daemon's reply. A command-line tool needs no more.
///
/// Only one thread may use it. ``XenStore`` is for many requests at a time, with watches beside them.
/// A ``XenStoreError/connection(_:)``, or a message that breaks the framing, closes the connection. Every later call
/// throws the same error.
public final class XenStoreConnection {
    private let channel: Channel
    private var reader = MessageReader()
    private var events = Queue<WatchEvent>()
    private var failure: XenStoreError?

    /// Connects, or throws at once where nothing answers.
    public init(to endpoint: Endpoint = .standard) throws(XenStoreError) {
        channel = try Channel.open(endpoint)
    }

    /// Takes over a connected stream socket.
    public init(adopting descriptor: Int32) {
        channel = Channel(adopting: descriptor, path: "descriptor \(descriptor)")
    }

    /// Sends a request and waits for its reply. Keeps events that come meanwhile for ``nextEvent(timeout:)``.
    public func perform<Reply>(_ request: Request<Reply>) throws(XenStoreError) -> Reply {
        if let failure { throw failure }
        try send(request.frame)
        while true {
            let message = try receive()
            if message.header.type == Operation.watchEvent.rawValue {
                try keep(message)
                continue
            }
            do throws(XenStoreError) {
                return try request.reply(type: message.header.type, payload: message.payload)
            } catch {
                if case .protocolViolation(.unexpectedReply) = error { throw closed(by: error) }
                throw error
            }
        }
    }

    /// The next event of this connection's watches. Waits for it without a limit.
    public func nextEvent() throws(XenStoreError) -> WatchEvent {
        while true {
            if let event = events.popFirst() { return event }
            if let failure { throw failure }
            try keepEvent(from: receive())
        }
    }

    /// The next event of this connection's watches, nil if none comes within `timeout`.
    public func nextEvent(timeout: Duration) throws(XenStoreError) -> WatchEvent? {
        let deadline = ContinuousClock.now + timeout
        while true {
            if let event = events.popFirst() { return event }
            if let failure { throw failure }
            if let message = try nextMessage() {
                try keepEvent(from: message)
            } else if try waitForInput(until: deadline) {
                try fill()
            } else {
                return nil
            }
        }
    }

    // MARK: Messages

    private func send(_ frame: [UInt8]) throws(XenStoreError) {
        var sent = 0
        while sent < frame.count {
            do throws(Errno) {
                sent += try channel.send(frame, from: sent)
            } catch {
                throw closed(by: channel.lost(error.number))
            }
        }
    }

    private func receive() throws(XenStoreError) -> Message {
        while true {
            if let message = try nextMessage() { return message }
            try fill()
        }
    }

    private func nextMessage() throws(XenStoreError) -> Message? {
        do throws(ProtocolViolation) {
            return try reader.next()
        } catch {
            throw closed(by: .protocolViolation(error))
        }
    }

    private func fill() throws(XenStoreError) {
        let count: Int
        do throws(Errno) {
            count = try reader.fill(from: channel)
        } catch {
            throw closed(by: channel.lost(error.number))
        }
        if count == 0 { throw closed(by: channel.lost(ECONNRESET)) }
    }

    private func keep(_ event: Message) throws(XenStoreError) {
        do throws(ProtocolViolation) {
            events.append(try WatchEvent(payload: event.payload))
        } catch {
            throw .protocolViolation(error)
        }
    }

    /// Keeps a message that must be an event, as no request waits for a reply.
    private func keepEvent(from message: Message) throws(XenStoreError) {
        guard message.header.type == Operation.watchEvent.rawValue else {
            let type = message.header.type
            throw closed(by: .protocolViolation(.unexpectedReply(to: .watchEvent, type: type)))
        }
        try keep(message)
    }

    private func waitForInput(until deadline: ContinuousClock.Instant) throws(XenStoreError) -> Bool {
        while true {
            let left = max(.zero, deadline - .now).components
            let roundedUp = left.attoseconds > 0 ? left.attoseconds / 1_000_000_000_000_000 + 1 : 0
            let milliseconds = min(left.seconds, 1_000_000) * 1000 + roundedUp
            var entry = pollfd(fd: channel.descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&entry, 1, Int32(milliseconds))
            if ready > 0 { return true }
            if ready < 0, errno != EINTR { throw closed(by: channel.lost(errno)) }
            if ready == 0, deadline <= .now { return false }
        }
    }

    /// Closes the connection after an error, since neither side would understand the other any more.
    private func closed(by error: XenStoreError) -> XenStoreError {
        channel.hangUp()
        failure = error
        return error
    }
}
