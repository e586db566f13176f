// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A whole message as the daemon sent it.
struct Message {
    var header: Header
    var payload: [UInt8]
}

/// Cuts the daemon's stream of bytes into messages. The bytes may come in pieces of any size.
struct MessageReader {
    private static let capacity = Header.size + Limits.payloadMax
    private var buffer = [UInt8](repeating: 0, count: capacity)
    /// The bytes that are received but not taken yet are `start..<end`.
    private var start = 0
    private var end = 0

    /// Reads at least one byte from the channel; 0 means that the daemon has closed the connection.
    mutating func fill(from channel: Channel) throws(Errno) -> Int {
        if start > 0 { moveToFront() }
        let count = try channel.receive(into: &buffer, end..<buffer.count)
        end += count
        return count
    }

    /// The next message; nil if it is not complete yet.
    mutating func next() throws(ProtocolViolation) -> Message? {
        guard end - start >= Header.size else { return nil }
        let header = buffer.withUnsafeBytes { Header(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        guard header.length <= UInt32(Limits.payloadMax) else {
            throw .oversizedMessage(length: header.length)
        }
        let payload = start + Header.size..<start + Header.size + Int(header.length)
        guard payload.upperBound <= end else { return nil }
        start = payload.upperBound
        return Message(header: header, payload: Array(buffer[payload]))
    }

    private mutating func moveToFront() {
        buffer.withUnsafeMutableBytes { bytes in
            bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
        }
        (start, end) = (0, end - start)
    }
}
