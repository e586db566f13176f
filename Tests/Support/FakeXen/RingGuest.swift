// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// A guest's kernel in a FakeXen world. It speaks over the ring of its domain, and can break the protocol in every way
/// that a guest can.
public final class RingGuest {
    public let domain: UInt16
    /// The guest's end of the event channel. INTRODUCE names it.
    public let port: UInt32

    private let page: SharedFile
    private let channels: FakeEventChannels
    private let xen: FakeXen
    private var received: [UInt8] = []
    private var events: [Event] = []
    private var lastNumber: UInt32 = 0
    /// The channel that events for the daemon go to, and the number of that daemon.
    private var daemon: (number: Int, end: FakeEventChannels)?

    /// The words of the page, by their places.
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

    /// Starts the kernel of an existing domain. The local one, which is dom0 on most hosts, has a port already.
    public init(_ domain: UInt16, in xen: FakeXen) throws {
        self.domain = domain
        self.xen = xen
        page = try SharedFile(xen.path(domain, "page"), SharedFile.pageSize)
        channels = try FakeEventChannels(in: xen.path(domain))
        guard domain == xen.local else {
            port = try channels.allocate()
            return
        }
        guard let port = UInt32(TemporaryFolder.text(of: xen.path(domain, "xsd_port"))) else {
            throw Trouble("no port of the local domain")
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

    /// Changes a byte of the request ring, without the daemon's knowledge.
    public func poke(_ byte: UInt8, at index: UInt32) {
        page.base.storeBytes(of: byte, toByteOffset: Int(index % 1024), as: UInt8.self)
    }

    /// Sets both rings to this index, as after much traffic.
    public func setIndexes(_ index: UInt32) {
        for word in [Word.requestConsumer, .requestProducer, .replyConsumer, .replyProducer] { self[word] = index }
    }

    /// Copies as many bytes as there is room for. Returns their number. Sends no event.
    public func put(_ bytes: ArraySlice<UInt8>) -> Int {
        let producer = self[.requestProducer]
        let free = RingGuest.ringSize - Int(producer &- self[.requestConsumer])
        let count = min(free, bytes.count)
        for (index, byte) in zip(0..<UInt32(max(0, count)), bytes) { poke(byte, at: producer &+ index) }
        self[.requestProducer] = producer &+ UInt32(max(0, count))
        return max(0, count)
    }

    /// Takes bytes from the reply ring. Sends no event.
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

    /// Whether the daemon has handled all events of the guest.
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

    /// A descriptor that is readable when the daemon has sent an event.
    public var descriptor: Int32 { channels.descriptor }

    /// Whether the daemon has bound its end of the channel.
    public var isBound: Bool { channels.remotePort(of: port) != nil }

    /// Waits for an event of the daemon. False if none comes.
    public func wait(_ deadline: Deadline = Deadline()) throws -> Bool {
        if channels.take() { return true }
        return try !waitUntilReady([(channels.descriptor, POLLIN)], deadline).isEmpty && channels.take()
    }

    /// Takes all events that have come. Returns their number.
    public func takeNotifications() -> Int {
        var count = 0
        while channels.take() { count += 1 }
        return count
    }

    // MARK: Like Linux

    /// Puts as many bytes as there is room for. Sends an event only if the daemon had taken all earlier bytes: a daemon
    /// that had not will look again by itself.
    public func putTelling(_ bytes: ArraySlice<UInt8>) throws -> Int {
        let producer = self[.requestProducer]
        let count = put(bytes)
        if count > 0, producer == self[.requestConsumer] { try notify() }
        return count
    }

    /// Takes bytes from the reply ring. Sends an event only if the ring was full.
    public func takeTelling(atMost most: Int = RingGuest.ringSize) throws -> [UInt8] {
        let consumer = self[.replyConsumer]
        let bytes = take(atMost: most)
        if !bytes.isEmpty, self[.replyProducer] &- consumer >= UInt32(RingGuest.ringSize) { try notify() }
        return bytes
    }

    // MARK: Like hvmloader

    /// Receives the next message. Takes only `most` bytes at once, never sends an event for new room, and waits for the
    /// daemon's event when the ring is empty.
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

    /// Waits in that way for the answer to a sent request.
    public func answerSilently(to request: Message, atOnce most: Int) throws -> Answer {
        try Answer(receiveSilently(atOnce: most), to: request)
    }

    // MARK: Messages

    /// Sends all bytes. Takes replies meanwhile, since a daemon that cannot send may not read either.
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

    /// The next message, if it is complete.
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

    /// Waits for the answer to a sent request. Keeps events that come before it.
    public func answer(to request: Message) throws -> Answer {
        while true {
            let reply = try receive()
            if reply.op == .watchEvent {
                events.append(try Event(reply))
                continue
            }
            return try Answer(reply, to: request)
        }
    }

    /// All events until now.
    public func allEvents() throws -> [Event] {
        _ = try ask(.getDomainPath, "0\0")
        defer { events = [] }
        return events
    }

    /// Forgets a partly received message, as after a new start.
    public func forgetReceived() { received = [] }
}
