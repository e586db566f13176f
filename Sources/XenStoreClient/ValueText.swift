// SPDX-License-Identifier: Apache-2.0

/// Values may hold any bytes. These functions write them as text and read them back, as Xen's tools do.
public enum ValueText {
    /// Printable ASCII except the backslash stays as it is. All other bytes become `\t`, `\n`, `\r`, three octal digits
    /// if below 8, or `\x` with two hexadecimal digits.
    public static func escape(_ value: some Sequence<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        for byte in value { appendEscaped(byte, to: &text) }
        return text
    }

    private static func appendEscaped(_ byte: UInt8, to text: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "\\"): text += #"\\"#.utf8
        case 0x20...0x7e: text.append(byte)
        case UInt8(ascii: "\t"): text += #"\t"#.utf8
        case UInt8(ascii: "\n"): text += #"\n"#.utf8
        case UInt8(ascii: "\r"): text += #"\r"#.utf8
        case 0..<8: text += [UInt8(ascii: "\\"), 0x30, 0x30, 0x30 + byte]
        default: text += #"\x"#.utf8 + [hexDigit(byte >> 4), hexDigit(byte & 15)]
        }
    }

    private static func hexDigit(_ number: UInt8) -> UInt8 {
        number < 10 ? UInt8(ascii: "0") + number : UInt8(ascii: "a") + number - 10
    }

    /// The value of a text. It reads `\t`, `\n`, `\r`, `\xHH` and up to three octal digits. Any other byte after a
    /// backslash means itself. A backslash at the end means a NUL, as Xen's tools have always read it: there it is
    /// followed by the NUL that ends a C string.
    public static func unescape(_ text: some Collection<UInt8>) -> [UInt8] {
        var value: [UInt8] = []
        var rest = Array(text)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                value.append(byte)
                continue
            }
            value.append(unescapedByte(&rest))
        }
        return value
    }

    /// Takes the rest of an escape, after its backslash, from `rest`.
    private static func unescapedByte(_ rest: inout ArraySlice<UInt8>) -> UInt8 {
        guard let first = rest.popFirst() else { return 0 }
        switch first {
        case UInt8(ascii: "t"): return UInt8(ascii: "\t")
        case UInt8(ascii: "n"): return UInt8(ascii: "\n")
        case UInt8(ascii: "r"): return UInt8(ascii: "\r")
        case UInt8(ascii: "x"): return hexNumber(&rest) ?? first
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            var number = first - UInt8(ascii: "0")
            for _ in 0..<2 {
                guard let digit = rest.first, (UInt8(ascii: "0")...UInt8(ascii: "7")) ~= digit
                else { break }
                number = number &<< 3 | (digit - UInt8(ascii: "0"))
                rest.removeFirst()
            }
            return number
        default: return first
        }
    }

    /// Reads two characters as a hexadecimal number as `scanf` does: it accepts blanks before it, a sign and `0x`, as
    /// Xen's tools always have. If there is no number, returns nil and takes nothing.
    private static func hexNumber(_ rest: inout ArraySlice<UInt8>) -> UInt8? {
        var scan = rest.drop { $0 == 0x20 || (0x09...0x0d).contains($0) }
        var width = 2
        var isNegative = false
        if let sign = scan.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            isNegative = sign == UInt8(ascii: "-")
            scan.removeFirst()
            width -= 1
        }
        guard width == 1 || !scan.prefix(2).elementsEqual("0x".utf8, by: { $0 | 0x20 == $1 | 0x20 })
        else {
            rest = scan.dropFirst(2)
            return 0
        }
        let digits = scan.prefix(width).prefix { hexValue($0) != nil }
        guard !digits.isEmpty else { return nil }
        let number = digits.reduce(0) { $0 << 4 | (hexValue($1) ?? 0) }
        rest = scan.dropFirst(digits.count)
        return isNegative ? 0 &- number : number
    }

    private static func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
