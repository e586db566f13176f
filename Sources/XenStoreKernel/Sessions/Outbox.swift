// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Bytes on their way to a peer: replies and events, in order.
///
/// An empty outbox holds no memory, so that idle connections cost nothing; buffers of the usual
/// size go round in a pool, so that busy ones do not allocate.
struct Outbox: ~Copyable {
    private let pool: BufferPool
    private var buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var start = 0
    private var end = 0
    /// How many bytes were ever appended: the position in the stream where the next message begins.
    private(set) var position: UInt64 = 0

    init(pool: BufferPool) { self.pool = pool }

    deinit { pool.give(back: buffer) }

    @inline(__always) var count: Int { end &- start }
    @inline(__always) var isEmpty: Bool { start == end }
    /// The position in the stream of the first byte that has not gone out.
    var sentPosition: UInt64 { position &- UInt64(count) }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: buffer[start..<end]) }

    /// Room for `count` more bytes, which count as appended and must all be written.
    @inline(__always)
    mutating func extend(by count: Int) -> UnsafeMutableRawBufferPointer {
        if buffer.count &- end < count { makeRoom(for: count) }
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer[end..<(end &+ count)])
        end &+= count
        position &+= UInt64(count)
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

    /// The first `count` bytes have gone out.
    mutating func consume(_ count: Int) {
        start += min(count, self.count)
        if start == end { empty() }
    }

    /// Takes back whatever was appended since the outbox had `count` bytes.
    mutating func truncate(to count: Int) {
        let dropped = self.count - count
        guard dropped > 0 else { return }
        end -= dropped
        position &-= UInt64(dropped)
        if start == end { empty() }
    }

    /// Drops bytes that have not begun to go out, in one pass: `ranges` are positions in the stream,
    /// in order. Returns how many bytes that were.
    mutating func remove(_ ranges: [Range<UInt64>]) -> Int {
        let origin = sentPosition
        guard let base = buffer.baseAddress, let first = ranges.first else { return 0 }
        var to = start + Int(first.lowerBound - origin)
        for (index, range) in ranges.enumerated() {
            let from = start + Int(range.upperBound - origin)
            let next = index + 1 < ranges.count ? start + Int(ranges[index + 1].lowerBound - origin) : end
            move(base + from, to: base + to, count: next - from)
            to += next - from
        }
        let removed = end - to
        end = to
        position &-= UInt64(removed)
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

    private mutating func makeRoom(for more: Int) {
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

/// Buffers of one size that go round among the sessions that have something to send.
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
