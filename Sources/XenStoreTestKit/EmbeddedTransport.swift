// SPDX-License-Identifier: Apache-2.0
import XenStoreEngine
import XenStorePlugin
import XenStoreWire

/// A client of the kernel without a socket, a ring or time: bytes go in by hand, bytes come out when
/// a turn has ended. It can be any domain.
///
///     let host = try EmbeddedHost(storage: FailingStorage())
///     let guest = host.connect(domain: DomainID(5))
///     guest.send(bytes: [2, 0, 0])
///     host.settle()
///     #expect(guest.takeMessages() == [])
///
/// For one request after the other there is ``Caller``.
public final class EmbeddedClient: Link {
    private let host: any PluginHost
    /// Nil once the client is gone: as with any transport, nothing but the kernel keeps it then.
    public private(set) var connection: Connection!
    /// Everything the kernel has sent and that was not taken yet.
    private var received: [UInt8] = []
    /// How many more bytes the peer takes; nil for any number. 0 is a peer that does not read.
    public var appetite: Int?
    /// The kernel has closed the connection.
    public private(set) var isClosed = false
    /// How often the kernel has asked to stop or resume reading.
    public private(set) var readingChanges = 0

    /// One that a transport for domains hands to the kernel, which connects it.
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

    /// The peer reads on: what waits is sent, as far as it takes it.
    public func resume(appetite: Int? = nil) {
        self.appetite = appetite
        if !isClosed, let connection { flush(connection) }
    }

    /// The peer goes away.
    public func hangUp() {
        if let connection { host.disconnect(connection) }
        end()
    }

    /// The transport is done with the client.
    func end() { connection = nil }

    /// What has come since the last call: replies and events in order.
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

    /// The payload as text, NULs as `|`, for comparing and for reading.
    public var text: String { String(decoding: payload.map { $0 == 0 ? UInt8(ascii: "|") : $0 }, as: UTF8.self) }

    public var description: String {
        let name = Operation(rawValue: header.type).map { "\($0.name)" } ?? "\(header.type)"
        return "\(name) \(text)"
    }

    /// A message's bytes as they are sent.
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
