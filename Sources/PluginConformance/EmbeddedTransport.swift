// SPDX-License-Identifier: Apache-2.0
import XenStoreEngine
import XenStorePlugin
import XenStoreWire

/// A client of the kernel without a socket or a ring. The test sends bytes, and takes the daemon's bytes after a turn.
/// The client can be of any domain.
///
///     let host = try EmbeddedHost(storage: FailingStorage())
///     let guest = host.connect(domain: DomainID(5))
///     guest.send(bytes: [2, 0, 0])
///     host.settle()
///     #expect(guest.takeMessages() == [])
///
/// `Caller` of `XenStoreTestKit` is simpler if each request waits for its reply.
public final class EmbeddedClient: Link {
    private let host: any PluginHost
    /// Nil after the connection has ended. Then only the kernel may keep it, as with any transport.
    public private(set) var connection: Connection!
    /// The bytes that the kernel has sent and the test has not taken yet.
    private var received: [UInt8] = []
    /// How many more bytes the peer takes; nil means any number. A peer with 0 does not read.
    public var appetite: Int?
    /// Whether the kernel has closed the connection.
    public private(set) var isClosed = false
    /// How often the kernel has asked to stop or resume reading.
    public private(set) var readingChanges = 0

    /// Makes a client that a transport for domains hands to the kernel. The kernel connects it.
    init(host: any PluginHost) { self.host = host }

    convenience init(host: any PluginHost, peer: Peer) {
        self.init(host: host)
        connection = host.connect(self, as: peer)
    }

    public func connected(_ connection: Connection) { self.connection = connection }

    // MARK: Link

    public func flush(_ connection: Connection) {
        let count = min(connection.unsent.count, appetite ?? .max)
        received.append(contentsOf: connection.unsent.prefix(count))
        if appetite != nil { appetite = (appetite ?? 0) - count }
        if count > 0 { host.sent(count, on: connection) }
    }

    public var room: Int { appetite ?? .max }

    public func readingChanged(_ connection: Connection) { readingChanges += 1 }

    public func close(_ reason: EndReason) { isClosed = true }

    // MARK: The peer

    /// Sends raw bytes, without ending the turn.
    public func send(bytes: [UInt8]) {
        guard let connection else { return }
        bytes.withUnsafeBytes { host.receive($0, on: connection) }
    }

    /// Sends a request, without ending the turn.
    public func send(_ operation: UInt32, request: UInt32 = 0, transaction: UInt32 = 0, _ payload: [UInt8]) {
        send(bytes: Message.bytes(operation, request: request, transaction: transaction, payload))
    }

    /// The peer reads again, up to `appetite` bytes. The kernel sends the bytes that wait.
    public func resume(appetite: Int? = nil) {
        self.appetite = appetite
        if !isClosed, let connection { flush(connection) }
    }

    /// The peer closes the connection.
    public func hangUp() {
        if let connection { host.disconnect(connection) }
        end()
    }

    /// The transport gives the client up.
    func end() { connection = nil }

    /// The messages since the last call, replies and events in order.
    public func takeMessages() -> [Message] {
        var messages: [Message] = []
        var at = 0
        received.withUnsafeBytes { bytes in
            while bytes.count - at >= Header.size {
                let header = Header(UnsafeRawBufferPointer(rebasing: bytes[at...]))
                let end = at + Header.size + Int(header.length)
                if end > bytes.count { break }
                messages.append(Message(header, Array(bytes[(at + Header.size)..<end])))
                at = end
            }
        }
        received.removeFirst(at)
        return messages
    }
}

/// A message from the daemon.
public struct Message: Equatable, CustomStringConvertible {
    public var header: Header
    public var payload: [UInt8]

    public init(_ header: Header, _ payload: [UInt8]) {
        self.header = header
        self.payload = payload
    }

    public var isEvent: Bool { header.type == Operation.watchEvent.rawValue }
    public var isError: Bool { header.type == Operation.error.rawValue }

    /// The payload as text, with each NUL as `|`.
    public var text: String { String(decoding: payload.map { $0 == 0 ? UInt8(ascii: "|") : $0 }, as: UTF8.self) }

    public var description: String {
        let name = Operation(rawValue: header.type).map { "\($0.name)" } ?? "\(header.type)"
        return "\(name) \(text)"
    }

    /// The bytes of a message.
    public static func bytes(_ operation: UInt32, request: UInt32 = 0, transaction: UInt32 = 0, _ payload: [UInt8])
        -> [UInt8]
    {
        let header = Header(
            type: operation, request: request, transaction: transaction, length: UInt32(payload.count))
        return [UInt8](unsafeUninitializedCapacity: Header.size) { buffer, count in
            if let start = buffer.baseAddress { header.store(to: UnsafeMutableRawPointer(start)) }
            count = Header.size
        } + payload
    }
}
