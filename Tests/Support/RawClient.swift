// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A client that sends any bytes. It checks the rules for all replies: one for each request, in order, with the
/// request's numbers, and only documented errors.
public final class RawClient {
    public let descriptor: Int32
    private var received: [UInt8] = []
    private var start = 0
    private var lastNumber: UInt32 = 0
    /// Events that came before a reply.
    private var events: [Event] = []
    /// Whether the client has seen that the daemon has closed the connection.
    public private(set) var hasEnded = false

    public init(_ path: String) throws {
        descriptor = socket(AF_UNIX, linux_sock_stream | linux_sock_cloexec, 0)
        guard descriptor >= 0 else { throw Trouble.system("make a socket") }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { [descriptor] in
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        // All properties are set now, so deinit closes the socket, even if init throws.
        guard result == 0 else { throw Trouble.system("connect to \(path)") }
    }

    /// Takes over a connected socket.
    public init(connected descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    // MARK: Bytes

    /// Sends all bytes. Throws if the daemon takes too long to read them.
    public func send(_ bytes: [UInt8], _ deadline: Deadline = Deadline()) throws {
        var sent = 0
        while sent < bytes.count {
            let count = trySend(bytes[sent...])
            if count > 0 { sent += count }
            if count < 0, errno != EAGAIN, errno != EINTR { throw Trouble.system("send") }
            if sent == bytes.count { return }
            guard try !waitUntilReady([(descriptor, POLLOUT)], deadline).isEmpty else {
                throw Trouble("the daemon reads no more, \(bytes.count - sent) bytes are left")
            }
        }
    }

    /// Sends as many bytes as possible without a wait. Returns their number; -1 for none.
    public func trySend(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.withUnsafeBytes {
            Glibc.send(descriptor, $0.baseAddress, $0.count, linux_msg_nosignal | linux_msg_dontwait)
        }
    }

    /// Tells the daemon that the client sends nothing more. The client can still receive.
    public func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    // MARK: Messages

    public func send(_ message: Message) throws { try send(message.bytes) }

    /// The next message; nil if the daemon has closed the connection.
    public func receive(_ deadline: Deadline = Deadline()) throws -> Message? {
        while true {
            if let message = try takeFirst() { return message }
            guard try !waitUntilReady([(descriptor, POLLIN)], deadline).isEmpty else {
                throw Trouble("the daemon does not answer")
            }
            if try !fetch(), hasEnded {
                guard start == received.count else { throw Trouble("the connection ended within a message") }
                return nil
            }
        }
    }

    /// The messages that have already come. Never waits.
    public func receiveNow() throws -> [Message] {
        while try fetch() {}
        var messages: [Message] = []
        while let message = try takeFirst() { messages.append(message) }
        return messages
    }

    /// Takes the first received message, if it is complete.
    private func takeFirst() throws -> Message? {
        guard let (message, length) = try Message.first(in: received[start...]) else { return nil }
        start += length
        if start == received.count {
            received.removeAll(keepingCapacity: true)
            start = 0
        }
        return message
    }

    /// Receives once. False if there is nothing.
    private func fetch() throws -> Bool {
        var block = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &block, block.count, linux_msg_dontwait)
        if count == 0 || count < 0 && errno == ECONNRESET {
            hasEnded = true
        } else if count < 0, errno != EINTR, errno != EAGAIN {
            throw Trouble.system("receive")
        }
        received += block[..<max(0, count)]
        return count > 0
    }

    // MARK: Requests

    /// Performs a request and returns its answer. Keeps events that come before it.
    public func ask(_ op: Op, _ payload: String, in transaction: UInt32 = 0) throws -> Answer {
        try ask(op, bytes: Array(payload.utf8), in: transaction)
    }

    public func ask(_ op: Op, bytes payload: [UInt8], in transaction: UInt32 = 0) throws -> Answer {
        lastNumber &+= 1
        let request = Message(op, payload, number: lastNumber, transaction: transaction)
        try send(request)
        return try answer(to: request)
    }

    /// Waits for the answer to a sent request.
    public func answer(to request: Message) throws -> Answer {
        while let reply = try receive() {
            if reply.op == .watchEvent {
                events.append(try Event(reply))
                continue
            }
            return try Answer(reply, to: request)
        }
        throw Trouble("the daemon has closed the connection rather than answer \(request)")
    }

    /// Starts a transaction and returns its number.
    public func startTransaction() throws -> UInt32 {
        let answer = try ask(.transactionStart, "\0")
        guard let text = answer.strings.first, let number = UInt32(text) else {
            throw Trouble("no transaction, but \(answer)")
        }
        return number
    }

    public func commit(_ transaction: UInt32) throws -> Answer { try ask(.transactionEnd, "T\0", in: transaction) }

    public func abort(_ transaction: UInt32) throws -> Answer { try ask(.transactionEnd, "F\0", in: transaction) }

    /// The generation of a node, from DIRECTORY_PART.
    public func generation(of path: String, in transaction: UInt32 = 0) throws -> UInt64 {
        let answer = try ask(.directoryPart, "\(path)\00\0", in: transaction)
        guard let text = answer.strings.first, let number = UInt64(text) else {
            throw Trouble("no generation of \(path), but \(answer)")
        }
        return number
    }

    // MARK: Events

    /// The events that came before the last answer.
    public func takeEvents() -> [Event] {
        defer { events = [] }
        return events
    }

    /// All events until now. The daemon sends events before the answer to a later request, so one more request brings
    /// them all.
    public func allEvents() throws -> [Event] {
        _ = try ask(.getDomainPath, "0\0")
        return takeEvents()
    }

    /// Waits for the next event.
    public func nextEvent(_ deadline: Deadline = Deadline()) throws -> Event {
        if !events.isEmpty { return events.removeFirst() }
        guard let message = try receive(deadline) else { throw Trouble("the connection is closed") }
        guard message.op == .watchEvent else { throw Trouble("no event, but \(message)") }
        return try Event(message)
    }
}
