// SPDX-License-Identifier: Apache-2.0
/// Bytes that are appended one after the other. The memory stays for later bytes. To append such small pieces to an
/// array costs many times as much.
struct GrowingBuffer: ~Copyable {
    private var room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 10, alignment: 8)
    private(set) var count = 0

    deinit { room.deallocate() }

    /// All bytes. They are valid until more are appended.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: room.baseAddress, count: count) }

    /// The same bytes, to overwrite them.
    var mutableBytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: room.baseAddress, count: count)
    }

    /// Makes room for this many more bytes. They count as appended, and the caller must write them all.
    @inline(__always)
    mutating func extend(by more: Int) -> UnsafeMutableRawBufferPointer {
        if room.count &- count < more { grow(for: count + more) }
        let place = UnsafeMutableRawBufferPointer(rebasing: room[count..<count &+ more])
        count &+= more
        return place
    }

    @inline(__always)
    mutating func append(_ bytes: UnsafeRawBufferPointer) { extend(by: bytes.count).copyMemory(from: bytes) }

    /// Keeps only the first bytes.
    mutating func truncate(to length: Int) { count = min(count, length) }

    private mutating func grow(for least: Int) {
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: max(least, 2 * room.count), alignment: 8)
        larger.copyMemory(from: bytes)
        room.deallocate()
        room = larger
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Overwrites the bytes from `offset` on with a little-endian number. They must exist.
    @inline(__always)
    func put(number: some FixedWidthInteger & BitwiseCopyable, at offset: Int) {
        storeBytes(of: number.littleEndian, toByteOffset: offset, as: type(of: number))
    }

    /// Overwrites the bytes from `offset` on. Returns the offset of their end.
    @inline(__always)
    func put(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int {
        let end = offset &+ bytes.count
        UnsafeMutableRawBufferPointer(rebasing: self[offset..<end]).copyMemory(from: bytes)
        return end
    }
}
