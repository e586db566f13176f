// SPDX-License-Identifier: Apache-2.0

extension UnsafeRawBufferPointer {
    /// The bytes of a literal.
    init(_ literal: StaticString) {
        self.init(start: literal.utf8Start, count: literal.utf8CodeUnitCount)
    }

    /// Whether both hold the same bytes. Compares words, since names and tokens are short.
    @inline(__always)
    func isEqual(to other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        guard let a = baseAddress, let b = other.baseAddress else { return true }
        /// Whether the word at `offset` is the same in both.
        func isSame<Word: FixedWidthInteger & BitwiseCopyable>(_: Word.Type, _ offset: Int) -> Bool {
            a.loadUnaligned(fromByteOffset: offset, as: Word.self)
                == b.loadUnaligned(fromByteOffset: offset, as: Word.self)
        }
        var offset = 0
        while offset &+ 8 <= count {
            if !isSame(UInt64.self, offset) { return false }
            offset &+= 8
        }
        // Two words that may overlap cover the rest.
        switch count &- offset {
        case 0: return true
        case 4...: return isSame(UInt32.self, offset) && isSame(UInt32.self, count &- 4)
        case 2...: return isSame(UInt16.self, offset) && isSame(UInt16.self, count &- 2)
        default: return isSame(UInt8.self, offset)
        }
    }

    func starts(with literal: StaticString) -> Bool {
        let prefix = UnsafeRawBufferPointer(literal)
        return count >= prefix.count
            && UnsafeRawBufferPointer(rebasing: self[..<prefix.count]).isEqual(to: prefix)
    }

    func isEqual(to literal: StaticString) -> Bool { isEqual(to: UnsafeRawBufferPointer(literal)) }

    /// The bytes before the first NUL, and those after it. Nil if there is no NUL.
    @inline(__always)
    func splitAtNul() -> (text: UnsafeRawBufferPointer, rest: UnsafeRawBufferPointer)? {
        guard let start = baseAddress else { return nil }
        let nul = start.place(of: 0, from: 0, to: count)
        if nul == count { return nil }
        return (
            UnsafeRawBufferPointer(rebasing: self[..<nul]),
            UnsafeRawBufferPointer(rebasing: self[(nul &+ 1)...])
        )
    }
}

extension UnsafeRawPointer {
    /// The place of the first such byte in a range of places, or the end of the range.
    @inline(__always)
    func place(of byte: UInt8, from start: Int, to end: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        var place = start
        while place &+ 8 <= end {
            // Such a byte becomes 0. The lowest 0 borrows from its highest bit, and no byte below it does.
            let word =
                UInt64(littleEndian: loadUnaligned(fromByteOffset: place, as: UInt64.self)) ^ (ones &* UInt64(byte))
            let zeros = (word &- ones) & ~word & (ones &<< 7)
            if zeros != 0 { return place &+ zeros.trailingZeroBitCount &>> 3 }
            place &+= 8
        }
        while place < end, load(fromByteOffset: place, as: UInt8.self) != byte { place &+= 1 }
        return place
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Writes a number in decimal and returns the number of digits. The buffer must have room.
    func writeDecimal(_ number: UInt64) -> Int {
        var digits = 1
        var rest = number / 10
        while rest > 0 {
            digits += 1
            rest /= 10
        }
        rest = number
        for index in stride(from: digits - 1, through: 0, by: -1) {
            self[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        return digits
    }
}
