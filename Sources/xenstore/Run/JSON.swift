// SPDX-License-Identifier: Apache-2.0

/// Writes JSON.
enum JSON {
    static let null = Bytes("null".utf8)

    static func object(_ members: [(Bytes, Bytes)]) -> Bytes {
        list("{", members.map { string($0.0) + ":".utf8 + $0.1 }, "}")
    }

    static func array(_ elements: [Bytes]) -> Bytes { list("[", elements, "]") }

    /// A node's value: a string if it is text, otherwise its bytes in base 64.
    static func value(_ bytes: Bytes) -> Bytes {
        guard String(validating: bytes, as: UTF8.self) == nil else { return string(bytes) }
        return object([(Bytes("base64".utf8), string(base64(bytes)))])
    }

    static func string(_ text: String) -> Bytes { string(Bytes(text.utf8)) }

    static func string(_ text: Bytes) -> Bytes {
        var json: Bytes = [UInt8(ascii: "\"")]
        // JSON has no form for bytes that are not UTF-8. Names and keys are ASCII, and values are checked before.
        for byte in String(decoding: text, as: UTF8.self).utf8 { append(byte, to: &json) }
        json.append(UInt8(ascii: "\""))
        return json
    }

    private static func append(_ byte: UInt8, to json: inout Bytes) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): json += [UInt8(ascii: "\\"), byte]
        case UInt8(ascii: "\n"): json += #"\n"#.utf8
        case UInt8(ascii: "\r"): json += #"\r"#.utf8
        case UInt8(ascii: "\t"): json += #"\t"#.utf8
        case 0..<0x20, 0x7f:
            let digits = String(byte, radix: 16)
            json += (#"\u"# + String(repeating: "0", count: 4 - digits.utf8.count) + digits).utf8
        default: json.append(byte)
        }
    }

    private static func list(_ open: StaticString, _ elements: [Bytes], _ close: StaticString) -> Bytes {
        open.bytes + elements.joined(separator: ",".utf8) + close.bytes
    }

    private static func base64(_ bytes: Bytes) -> Bytes {
        let alphabet = Bytes("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: Bytes = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for place in 0..<4 {
                let isPadding = place > group.count
                text.append(isPadding ? UInt8(ascii: "=") : alphabet[bits >> (18 - 6 * place) & 63])
            }
        }
        return text
    }
}
