// SPDX-License-Identifier: Apache-2.0

/// Bytes on their way to a peer: replies and events, in order.
///
/// An empty outbox holds no memory, so that idle connections cost nothing.
struct Outbox: ~Copyable {
    private var buffer: UnsafeMutableRawBufferPointer?
    private var start = 0
    private var end = 0

    /// Capacity of a buffer that is lent by the pool.
    static let standardCapacity = 16 * 1024

    var isEmpty: Bool { start == end }
    var count: Int { end - start }
}
