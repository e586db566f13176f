// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreClient

@Suite struct ValueTextTests {
    @Test(arguments: UInt8.min...UInt8.max)
    func everyByteReturns(_ byte: UInt8) {
        #expect(ValueText.unescape(ValueText.escape([byte])) == [byte])
        // Also before what looks like more of the number.
        #expect(ValueText.unescape(ValueText.escape([byte, 0x31])) == [byte, 0x31])
    }

    @Test(
        arguments: [
            ([0, 7], #"\000\007"#), ([8, 0x1f], #"\x08\x1f"#), ([9, 10, 13], #"\t\n\r"#),
            ([0x20, 0x7e], " ~"), ([0x7f, 0xff], #"\x7f\xff"#), (Array(#"a\"b"#.utf8), #"a\\"b"#),
            ([], ""),
        ] as [([UInt8], String)])
    func bytesAreEscaped(_ value: [UInt8], _ text: String) {
        #expect(ValueText.escape(value) == Array(text.utf8))
    }

    @Test(
        arguments: [
            (#"\t\n\r\\"#, [9, 10, 13, 0x5c]), (#"\x41"#, [0x41]), (#"\x4"#, [4]), (#"\x4g"#, [4, 0x67]),
            (#"\x"#, [0x78]), (#"\xg1"#, [0x78, 0x67, 0x31]), (#"\101"#, [0x41]), (#"\1"#, [1]),
            (#"\8"#, [0x38]), (#"\400"#, [0]), (#"\777"#, [0xff]), (#"\q"#, [0x71]),
            (#"ab\"#, [0x61, 0x62, 0]), (#"\x 1"#, [1]), (#"\x+1"#, [1]), (#"\x-1"#, [0xff]),
            (#"\x0x4"#, [0, 0x34]), (#"\x+"#, [0x78, 0x2b]), (#"\08"#, [0, 0x38]),
        ] as [(String, [UInt8])])
    func escapesAreRead(_ text: String, _ value: [UInt8]) {
        #expect(ValueText.unescape(Array(text.utf8)) == value)
    }
}
