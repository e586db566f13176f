// SPDX-License-Identifier: Apache-2.0
/// Memory that grows and does not move. It is freed as a whole.
final class Arena {
    private var blocks: [UnsafeMutableRawPointer] = []
    private var free = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private static let blockSize = 1 << 20

    private func take(_ count: Int) -> UnsafeMutableRawBufferPointer {
        if count > free.count {
            let size = max(Self.blockSize, count)
            blocks.append(.allocate(byteCount: size, alignment: 16))
            free = UnsafeMutableRawBufferPointer(start: blocks.last, count: size)
        }
        let place = UnsafeMutableRawBufferPointer(rebasing: free[..<count])
        free = UnsafeMutableRawBufferPointer(rebasing: free[count...])
        return place
    }

    func copy(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let place = take(bytes.count)
        place.copyMemory(from: bytes)
        return UnsafeRawBufferPointer(place)
    }

    /// Copies both pieces, one after the other.
    func join(
        _ first: Slice<UnsafeRawBufferPointer>, _ second: Slice<UnsafeRawBufferPointer>
    ) -> UnsafeRawBufferPointer {
        let place = take(first.count + second.count)
        place.copyBytes(from: first)
        UnsafeMutableRawBufferPointer(rebasing: place[first.count...]).copyBytes(from: second)
        return UnsafeRawBufferPointer(place)
    }

    deinit { for block in blocks { block.deallocate() } }
}
