// SPDX-License-Identifier: Apache-2.0

import XenStoreWire

/// Bytes that a peer has sent and that are not handled yet: a part of a message, or messages that must wait. It is
/// usually empty, and then takes no memory: messages are handled where the transport has read them.
struct Inbox: ~Copyable {
    private var buffer: [UInt8] = []
    private var start = 0

    var count: Int { buffer.count - start }
    var isEmpty: Bool { count == 0 }

    /// The bytes of memory that it takes.
    var footprint: Int { buffer.capacity }

    /// All bytes in it.
    var bytes: [UInt8] { Array(buffer[start...]) }

    /// Whether it holds a message that can be handled, or that breaks the protocol.
    var hasWholeMessage: Bool {
        guard count >= Header.size else { return false }
        let length = buffer.withUnsafeBytes {
            Header(UnsafeRawBufferPointer(rebasing: $0[start...])).length
        }
        return length > Limits.payloadMax || count >= Header.size + Int(length)
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if start > 0, start >= buffer.count / 2 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// Calls `body` with all bytes. `body` returns the number of bytes that it has handled.
    mutating func consume(_ body: (UnsafeRawBufferPointer) -> Int) {
        start += buffer.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        if start >= buffer.count { clear() }
    }

    mutating func clear() {
        buffer = []
        start = 0
    }
}
