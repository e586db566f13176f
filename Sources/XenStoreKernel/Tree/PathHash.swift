// SPDX-License-Identifier: Apache-2.0

/// Hashes of paths, built component by component. So one scan of a path yields the hash of every ancestor as well.
///
/// Each process has its own seed. Guests choose names, and must not be able to choose names that collide.
struct PathHash {
    /// The hash of `/`.
    let root: UInt64
    /// The hash from which a special node's hash starts.
    let special: UInt64
    private let multiplier: UInt64

    init(seed: UInt64) {
        root = PathHash.fold(seed ^ 0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93)
        special = PathHash.fold(root ^ 0xa076_1d64_78bd_642f, seed | 1)
        // Odd, so that no word is lost in the product.
        multiplier = PathHash.fold(seed ^ 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3) | 1
    }

    /// Both halves of the full product, mixed.
    @inline(__always)
    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    /// The hash of the node `name` below the node with the path hash `parent`. Also used for tokens, payloads and
    /// replies: it hashes any bytes from any start.
    @inline(__always)
    func child(_ name: UnsafeRawBufferPointer, of parent: UInt64) -> UInt64 {
        guard let start = name.baseAddress else { return PathHash.fold(parent, multiplier ^ root) }
        return child(start, name.count, of: parent)
    }

    /// The same for a name of `count` bytes.
    @inline(__always)
    func child(_ name: UnsafeRawPointer, _ count: Int, of parent: UInt64) -> UInt64 {
        var hash = parent
        var rest = count
        var name = name
        while rest >= 8 {
            hash = adding(name.loadUnaligned(as: UInt64.self), to: hash)
            name += 8
            rest &-= 8
        }
        if rest > 0 { hash = adding(PathHash.tail(name, rest), to: hash) }
        return PathHash.fold(hash ^ UInt64(truncatingIfNeeded: count), multiplier ^ root)
    }

    @inline(__always)
    private func adding(_ word: UInt64, to hash: UInt64) -> UInt64 { PathHash.fold(hash ^ word, multiplier) }

    /// The last one to seven bytes in a word. It may hold the bytes in the middle twice. The length is also hashed, and
    /// says where each byte is.
    @inline(__always)
    private static func tail(_ bytes: UnsafeRawPointer, _ count: Int) -> UInt64 {
        if count >= 4 {
            let first = bytes.loadUnaligned(as: UInt32.self)
            let last = bytes.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
            return UInt64(first) | UInt64(last) &<< 32
        }
        let middle = bytes.load(fromByteOffset: count &>> 1, as: UInt8.self)
        let last = bytes.load(fromByteOffset: count &- 1, as: UInt8.self)
        return UInt64(bytes.load(as: UInt8.self)) | UInt64(middle) &<< 8 | UInt64(last) &<< 16
    }
}
