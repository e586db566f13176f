// SPDX-License-Identifier: Apache-2.0

import XenStoreWire

/// Bytes that have come from a peer and were not handled yet: a part of a frame, or frames that
/// have to wait. Usually empty, and then without memory: frames are handled where they were read.
struct Inbox: ~Copyable {
    private var buffer: [UInt8] = []
    private var start = 0

    var count: Int { buffer.count - start }
    var isEmpty: Bool { count == 0 }

    /// Bytes that it takes.
    var footprint: Int { buffer.capacity }

    /// What is there.
    var bytes: [UInt8] { Array(buffer[start...]) }

    /// Whether there is a frame that can be handled, or that breaks the protocol.
    var hasWholeFrame: Bool {
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

    /// Calls `body` with what is there; it returns how much of that it is done with.
    mutating func consume(_ body: (UnsafeRawBufferPointer) -> Int) {
        start += buffer.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        if start >= buffer.count { clear() }
    }

    mutating func clear() {
        buffer = []
        start = 0
    }
}
