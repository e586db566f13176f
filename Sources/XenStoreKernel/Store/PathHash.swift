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

    /// Takes up to eight bytes of a component, packed in a word, into a hash.
    @inline(__always)
    func adding(_ word: UInt64, to hash: UInt64) -> UInt64 {
        PathHash.fold(hash ^ word, multiplier)
    }

    /// Ends a component of `length` bytes.
    @inline(__always)
    func ending(_ hash: UInt64, length: Int) -> UInt64 {
        PathHash.fold(hash ^ UInt64(truncatingIfNeeded: length), multiplier ^ root)
    }

    /// The hash of the node `name` below the node whose path hashes to `parent`.
    func child(_ name: UnsafeRawBufferPointer, of parent: UInt64) -> UInt64 {
        var hash = parent
        var word: UInt64 = 0
        var shift: UInt64 = 0
        for byte in name {
            word |= UInt64(byte) &<< shift
            shift &+= 8
            if shift == 64 {
                hash = adding(word, to: hash)
                word = 0
                shift = 0
            }
        }
        if shift != 0 { hash = adding(word, to: hash) }
        return ending(hash, length: name.count)
    }
}
