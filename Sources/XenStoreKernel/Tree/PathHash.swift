// SPDX-License-Identifier: Apache-2.0

/// Hashes of paths, built component by component, so that scanning a path once yields the hash of
/// every ancestor as well.
///
/// The seed differs in each process: guests choose names, and must not be able to choose names that
/// collide.
struct PathHash {
    /// The hash of `/`.
    let root: UInt64
    /// What the hash of a special node's name begins with.
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

    /// The hash of the node `name` below the node whose path hashes to `parent`.
    @inline(__always)
    func child(_ name: UnsafeRawBufferPointer, of parent: UInt64) -> UInt64 {
        var hash = parent
        var offset = 0
        while offset &+ 8 <= name.count {
            hash = adding(name.loadUnaligned(fromByteOffset: offset, as: UInt64.self), to: hash)
            offset &+= 8
        }
        if offset < name.count { hash = adding(PathHash.tail(of: name, from: offset), to: hash) }
        return PathHash.fold(hash ^ UInt64(truncatingIfNeeded: name.count), multiplier ^ root)
    }

    @inline(__always)
    private func adding(_ word: UInt64, to hash: UInt64) -> UInt64 { PathHash.fold(hash ^ word, multiplier) }

    /// The last one to seven bytes in a word. Those in the middle may be in it twice: the length, which is hashed,
    /// too, says where each one is.
    @inline(__always)
    private static func tail(of name: UnsafeRawBufferPointer, from offset: Int) -> UInt64 {
        let count = name.count &- offset
        if count >= 4 {
            let first = name.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            let last = name.loadUnaligned(fromByteOffset: name.count &- 4, as: UInt32.self)
            return UInt64(first) | UInt64(last) &<< 32
        }
        return UInt64(name[offset]) | UInt64(name[offset &+ count / 2]) &<< 8
            | UInt64(name[name.count &- 1]) &<< 16
    }
}
