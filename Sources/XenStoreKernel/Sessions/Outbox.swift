// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Bytes on their way to a peer: replies and events, in order.
///
/// An empty outbox holds no memory, so that idle sessions cost nothing. Buffers of the usual size go round in a pool,
/// so that busy sessions do not allocate.
struct Outbox: ~Copyable {
    private let pool: BufferPool
    private var buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var start = 0
    private var end = 0

    init(pool: BufferPool) { self.pool = pool }

    deinit { pool.give(back: buffer) }

    @inline(__always) var count: Int { end &- start }
    @inline(__always) var isEmpty: Bool { start == end }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: buffer[start..<end]) }

    /// Makes room for `count` more bytes. The caller must write all of them.
    @inline(__always)
    mutating func extend(by count: Int) -> UnsafeMutableRawBufferPointer {
        if buffer.count &- end < count { makeRoom(for: count) }
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer[end..<(end &+ count)])
        end &+= count
        return room
    }

    /// Appends a whole message.
    @inline(__always)
    mutating func append(_ header: Header, _ payload: UnsafeRawBufferPointer) {
        let room = extend(by: Header.size &+ payload.count)
        if let start = room.baseAddress {
            header.store(to: start)
            (start + Header.size).copyMemory(from: payload)
        }
    }

    /// Removes the first `count` bytes, which were sent.
    mutating func consume(_ count: Int) {
        start += min(count, self.count)
        if start == end { empty() }
    }

    /// Drops everything after the first `count` bytes.
    mutating func truncate(to count: Int) {
        let dropped = self.count - count
        guard dropped > 0 else { return }
        end -= dropped
        if start == end { empty() }
    }

    /// Drops bytes in one pass: `ranges` are places in ``bytes``, in order. Returns the number of bytes that were
    /// dropped.
    mutating func remove(_ ranges: [Range<Int>]) -> Int {
        guard let base = buffer.baseAddress, let first = ranges.first else { return 0 }
        var to = start + first.lowerBound
        for (index, range) in ranges.enumerated() {
            let from = start + range.upperBound
            let next = index + 1 < ranges.count ? start + ranges[index + 1].lowerBound : end
            move(base + from, to: base + to, count: next - from)
            to += next - from
        }
        let removed = end - to
        end = to
        if start == end { empty() }
        return removed
    }

    private func move(_ from: UnsafeMutableRawPointer, to: UnsafeMutableRawPointer, count: Int) {
        UnsafeMutableRawBufferPointer(start: to, count: count)
            .copyMemory(from: UnsafeRawBufferPointer(start: from, count: count))
    }

    private mutating func empty() {
        pool.give(back: buffer)
        buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        start = 0
        end = 0
    }

    @inline(__always)
    private mutating func makeRoom(for more: Int) {
        if buffer.baseAddress == nil { buffer = pool.take(atLeast: more) } else { enlarge(for: more) }
    }

    private mutating func enlarge(for more: Int) {
        let count = self.count
        let enough = count + more
        if enough <= buffer.count, start >= buffer.count / 2 {
            buffer.copyMemory(from: bytes)
        } else {
            let larger = pool.take(atLeast: max(enough, buffer.count * 2))
            larger.copyMemory(from: bytes)
            pool.give(back: buffer)
            buffer = larger
        }
        start = 0
        end = count
    }
}

/// Buffers of one size that go round among the sessions that have unsent bytes.
final class BufferPool {
    static let standardSize = 16 * 1024
    private static let keptMax = 64
    private let kept = UnsafeMutablePointer<UnsafeMutableRawBufferPointer>.allocate(capacity: keptMax)
    private var count = 0

    deinit {
        for index in 0..<count { kept[index].deallocate() }
        kept.deallocate()
    }

    func take(atLeast size: Int) -> UnsafeMutableRawBufferPointer {
        if size <= BufferPool.standardSize, count > 0 {
            count &-= 1
            return kept[count]
        }
        return .allocate(byteCount: max(size, BufferPool.standardSize), alignment: 16)
    }

    func give(back buffer: UnsafeMutableRawBufferPointer) {
        if buffer.baseAddress == nil { return }
        if buffer.count == BufferPool.standardSize, count < BufferPool.keptMax {
            kept[count] = buffer
            count &+= 1
        } else {
            buffer.deallocate()
        }
    }
}
