// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin
import XenStoreWire

/// The text of one line, with a line break at its end.
enum AuditLine {
    static func text(of request: FinishedRequest) -> [UInt8] {
        var line = start()
        line += ",\"connection\":\(request.connection),\"transport\":\(quoted(request.peer.transport.utf8))"
        line += ",\"domain\":\(request.peer.domain.rawValue)"
        let name = request.operation.map { "\"\($0.name)\"" } ?? "\(request.type)"
        line += ",\"operation\":\(name)"
        if request.transaction != 0 { line += ",\"transaction\":\(request.transaction)" }
        if !request.path.isEmpty { line += ",\"path\":\(quoted(request.path))" }
        if let error = request.error { line += ",\"error\":\"\(error)\"" }
        return Array("\(line)}\n".utf8)
    }

    /// Says that lines before this one could not be written.
    static func gap(_ count: UInt64) -> [UInt8] { Array("\(start()),\"lost\":\(count)}\n".utf8) }

    private static func start() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        gmtime_r(&now.tv_sec, &parts)
        let date = "\(parts.tm_year + 1900)-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))"
        let time = "\(padded(parts.tm_hour)):\(padded(parts.tm_min)):\(padded(parts.tm_sec))"
        return "{\"time\":\"\(date)T\(time).\(padded(now.tv_nsec / 1000, to: 6))Z\""
    }

    private static func padded(_ number: some BinaryInteger, to width: Int = 2) -> String {
        let digits = "\(number)"
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// Bytes of a client as JSON. A byte that is not printable ASCII becomes `\u00XX`, so each byte can be found again,
    /// and no client can write a line of its own.
    private static func quoted(_ bytes: some Sequence<UInt8>) -> String {
        var text = "\""
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += "\\\(Character(UnicodeScalar(byte)))"
            case 0x20..<0x7f: text.unicodeScalars.append(UnicodeScalar(byte))
            default: text += "\\u00" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return text + "\""
    }
}
