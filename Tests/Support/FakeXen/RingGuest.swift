// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// A guest's kernel: speaks over the ring of its domain, in a world of FakeXen. It can also misbehave
/// in every way that a guest can.
public final class RingGuest {
    public let domain: UInt16
    /// The guest's end of the channel, which INTRODUCE names.
    public let port: UInt32

    private let page: SharedFile
    private let channels: FakeEventChannels
    private let xen: FakeXen
    private var received: [UInt8] = []
    private var events: [Event] = []
    private var lastNumber: UInt32 = 0
    /// Where events for the daemon go, and which daemon that was.
    private var daemon: (number: Int, end: FakeEventChannels)?

    /// Words of the page, by their places.
    public enum Word: Int, CaseIterable, Sendable {
        case requestConsumer = 2048
        case requestProducer = 2052
        case replyConsumer = 2056
        case replyProducer = 2060
        case features = 2064
        case connection = 2068
        case error = 2072
        case eventChannel = 2076
    }
    public static let ringSize = 1024

    /// The kernel of a domain that is there; of dom0 if that is its number.
    public init(_ domain: UInt16, in xen: FakeXen) throws {
        self.domain = domain
        self.xen = xen
        page = try SharedFile(xen.path(domain, "page"), SharedFile.pageSize)
        channels = try FakeEventChannels(in: xen.path(domain))
        guard domain == 0 else {
            port = try channels.allocate()
            return
        }
        guard let port = UInt32(TemporaryFolder.text(of: xen.path(0, "xsd_port"))) else {
            throw Trouble("no port of dom0")
        }
        self.port = port
    }

    // MARK: The page

    public subscript(word: Word) -> UInt32 {
        get { atomic(word).pointee.load(ordering: .sequentiallyConsistent) }
        set { atomic(word).pointee.store(newValue, ordering: .sequentiallyConsistent) }
    }

    private func atomic(_ word: Word) -> UnsafeMutablePointer<Atomic<UInt32>> {
        (page.base + word.rawValue).assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    /// The request ring's bytes, for changing them behind the daemon's back.
    public func poke(_ byte: UInt8, at index: UInt32) {
        page.base.storeBytes(of: byte, toByteOffset: Int(index % 1024), as: UInt8.self)
    }

    /// Begins with both rings at this place, as after much traffic.
    public func setIndexes(_ index: UInt32) {
        for word in [Word.requestConsumer, .requestProducer, .replyConsumer, .replyProducer] { self[word] = index }
    }

    /// Copies what there is room for, and returns how much that was. Nobody is told.
    public func put(_ bytes: ArraySlice<UInt8>) -> Int {
        let producer = self[.requestProducer]
        let free = RingGuest.ringSize - Int(producer &- self[.requestConsumer])
        let count = min(free, bytes.count)
        for (index, byte) in zip(0..<UInt32(max(0, count)), bytes) { poke(byte, at: producer &+ index) }
        self[.requestProducer] = producer &+ UInt32(max(0, count))
        return max(0, count)
    }

    /// Takes what is in the reply ring, or some of it. Nobody is told.
    public func take(atMost most: Int = RingGuest.ringSize) -> [UInt8] {
        let consumer = self[.replyConsumer]
        let count = min(self[.replyProducer] &- consumer, 1024, UInt32(most))
        let bytes = (0..<count).map { index in
            page.base.load(fromByteOffset: 1024 + Int((consumer &+ index) % 1024), as: UInt8.self)
        }
        self[.replyConsumer] = consumer &+ count
        return bytes
    }

    // MARK: Events

    /// Sends the daemon an event.
    public func notify() throws {
        guard let remote = channels.remotePort(of: port) else { return }
        try daemonsEnd().raise(remote)
    }

    /// The daemon has done all that the guest's events have led to.
    public func isServed() throws -> Bool {
        guard let remote = channels.remotePort(of: port) else { return true }
        return try daemonsEnd().isQuiet(remote)
    }

    private func daemonsEnd() throws -> FakeEventChannels {
        if let daemon, daemon.number == xen.daemonCount { return daemon.end }
        let end = try xen.daemonsEnd()
        daemon = (xen.daemonCount, end)
        return end
    }

    /// Readable when the daemon has sent an event.
    public var descriptor: Int32 { channels.descriptor }

    /// The daemon has bound its end of the channel.
    public var isBound: Bool { channels.remotePort(of: port) != nil }

    /// Waits for an event of the daemon; false if none comes.
    public func wait(_ deadline: Deadline = Deadline()) throws -> Bool {
        if channels.take() { return true }
        return try !waitUntilReady([(channels.descriptor, POLLIN)], deadline).isEmpty && channels.take()
    }

    /// Takes all events that have come, and returns how many.
    public func takeNotifications() -> Int {
        var count = 0
        while channels.take() { count += 1 }
        return count
    }

    // MARK: As Linux does it

    /// Puts what there is room for, and tells the daemon only if it has taken all that was sent before: a
    /// daemon that has not looks again by itself.
    public func putTelling(_ bytes: ArraySlice<UInt8>) throws -> Int {
        let producer = self[.requestProducer]
        let count = put(bytes)
        if count > 0, producer == self[.requestConsumer] { try notify() }
        return count
    }

    /// Takes what is there, or some of it, and tells the daemon only if the ring was full.
    public func takeTelling(atMost most: Int = RingGuest.ringSize) throws -> [UInt8] {
        let consumer = self[.replyConsumer]
        let bytes = take(atMost: most)
        if !bytes.isEmpty, self[.replyProducer] &- consumer >= UInt32(RingGuest.ringSize) { try notify() }
        return bytes
    }

    // MARK: As hvmloader does it

    /// The next message. Takes only so many bytes at once, never tells the daemon that there is room again, and
    /// waits for its event when there is nothing to take.
    public func receiveSilently(atOnce most: Int, _ deadline: Deadline = Deadline()) throws -> Message {
        while true {
            if let (message, length) = try Message.first(in: received[...]) {
                received.removeFirst(length)
                return message
            }
            let bytes = take(atMost: most)
            received += bytes
            if bytes.isEmpty, try !wait(deadline) {
                throw Trouble("the daemon sends domain \(domain) no more, which has taken \(received.count) bytes")
            }
        }
    }

    /// Waits in that way for the answer to a request that was sent.
    public func answerSilently(to request: Message, atOnce most: Int) throws -> Answer {
        let reply = try receiveSilently(atOnce: most)
        guard reply.number == request.number else { throw Trouble("\(reply) is no reply to \(request)") }
        return try Answer(reply)
    }

    // MARK: Messages

    /// Sends all the bytes, taking replies meanwhile, as a daemon that can't send may not read either.
    public func send(_ bytes: [UInt8], _ deadline: Deadline = Deadline()) throws {
        var left = bytes[...]
        while !left.isEmpty {
            let count = try putTelling(left)
            left = left.dropFirst(count)
            received += try takeTelling()
            if count == 0, try !wait(deadline) {
                throw Trouble("the daemon reads no more, \(left.count) bytes are left")
            }
        }
    }

    /// The next message, if it is all there.
    public func receiveAtOnce() throws -> Message? {
        received += try takeTelling()
        guard let (message, length) = try Message.first(in: received[...]) else { return nil }
        received.removeFirst(length)
        return message
    }

    /// The next message.
    public func receive(_ deadline: Deadline = Deadline()) throws -> Message {
        while true {
            if let (message, length) = try Message.first(in: received[...]) {
                received.removeFirst(length)
                return message
            }
            let bytes = try takeTelling()
            received += bytes
            if bytes.isEmpty, try !wait(deadline) {
                throw Trouble("the daemon does not answer domain \(domain)")
            }
        }
    }

    public func ask(_ op: Op, _ payload: String, in transaction: UInt32 = 0) throws -> Answer {
        try ask(op, bytes: Array(payload.utf8), in: transaction)
    }

    public func ask(_ op: Op, bytes payload: [UInt8], in transaction: UInt32 = 0) throws -> Answer {
        lastNumber &+= 1
        let request = Message(op, payload, number: lastNumber, transaction: transaction)
        try send(request.bytes)
        return try answer(to: request)
    }

    /// Waits for the answer to a request that was sent. Events that come before it are kept.
    public func answer(to request: Message) throws -> Answer {
        while true {
            let reply = try receive()
            if reply.op == .watchEvent {
                events.append(try Event(reply))
                continue
            }
            guard reply.number == request.number, reply.transaction == request.transaction,
                reply.op == request.op || reply.op == .error
            else { throw Trouble("\(reply) is no reply to \(request)") }
            return try Answer(reply)
        }
    }

    /// All events that were on their way.
    public func allEvents() throws -> [Event] {
        _ = try ask(.getDomainPath, "0\0")
        defer { events = [] }
        return events
    }

    /// Forgets what was received in part, as after beginning anew.
    public func forgetReceived() { received = [] }
}
