// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

extension UnsafeRawBufferPointer {
    /// The decimal number at the start of the text, as C's `strtol` reads it: blanks and a sign may precede it. 0 if
    /// there is none. A number that `Int` cannot hold gives the nearest one that it can.
    var leadingNumber: (value: Int, isWholeText: Bool) {
        var at = 0
        while at < count, self[at] == 32 || (9...13).contains(self[at]) { at += 1 }
        var isNegative = false
        if at < count, self[at] == UInt8(ascii: "-") || self[at] == UInt8(ascii: "+") {
            isNegative = self[at] == UInt8(ascii: "-")
            at += 1
        }
        let first = at
        var value = 0
        while at < count, self[at] >= 48, self[at] <= 57 {
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int(self[at] - 48))
            value = overflow || carry ? Int.max : sum
            at += 1
        }
        let hasDigits = at > first
        return (isNegative ? -value : value, at == count && (hasDigits || count == 0))
    }
}

extension UnsafeRawBufferPointer {
    /// A gfn as toolstacks write it: decimal, `0x1f`, or `-1` for none. C xenstored accepts any text here, because it
    /// maps the ring by the domain's own grant. So there is no error.
    var gfn: UInt64 {
        let text = String(decoding: self, as: UTF8.self)
        let isHexadecimal = text.hasPrefix("0x") || text.hasPrefix("0X")
        if let number = isHexadecimal ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text) { return number }
        return UInt64(bitPattern: Int64(leadingNumber.value))
    }
}

/// The parts of a request's payload.
final class Arguments {
    private let scanner: PathScanner
    private let accounts: Accounts

    init(scanner: PathScanner, accounts: Accounts) {
        self.scanner = scanner
        self.accounts = accounts
    }

    /// The path as the client means it, or EINVAL. `specials`: see ``PathScanner``. It is valid until the next path is
    /// read.
    @inline(__always)
    func path(_ text: UnsafeRawBufferPointer, of session: Session, specials: Bool = false) throws(WireError) -> Path {
        try scanner.scan(text, home: session.domain, specials: specials, quota: accounts.pathQuota(session))
    }

    /// The same without a check of an absolute path. If the caller finds no node at it, it must call ``check(_:)``.
    @inline(__always)
    func trustedPath(_ text: UnsafeRawBufferPointer, of session: Session) throws(WireError) -> Path {
        try scanner.scan(text, home: session.domain, quota: accounts.pathQuota(session), isTrusted: true)
    }

    /// Throws EINVAL if the path, at which no node is, is not valid.
    func check(_ path: Path) throws(WireError) { try scanner.check(path.bytes) }

    /// The path of a request whose payload is only one path and its NUL.
    @inline(__always)
    func onlyPath(_ request: RequestContext, specials: Bool = false) throws(WireError) -> Path {
        try path(Arguments.onlyText(request.payload), of: request.session, specials: specials)
    }

    /// The payload without its NUL, which must be its last byte.
    @inline(__always)
    static func onlyText(_ payload: UnsafeRawBufferPointer) throws(WireError) -> UnsafeRawBufferPointer {
        let length = payload.count &- 1
        guard length >= 0, payload[length] == 0 else { throw .EINVAL }
        // The callers find a second NUL: neither a path nor a number may hold one.
        return UnsafeRawBufferPointer(rebasing: payload[..<length])
    }

    /// A domain's number as toolstacks write it, or EINVAL.
    static func domainID(_ text: UnsafeRawBufferPointer) throws(WireError) -> DomainID {
        let (value, isWhole) = text.leadingNumber
        guard isWhole, let number = UInt16(exactly: value) else { throw .EINVAL }
        return DomainID(number)
    }

    /// The strings of a payload, each with a NUL at its end. Bytes after the last NUL do not count.
    static func strings(
        _ request: RequestContext, _ allowed: ClosedRange<Int>
    ) throws(WireError) -> [UnsafeRawBufferPointer] {
        var strings: [UnsafeRawBufferPointer] = []
        var rest = request.payload
        while let (text, next) = rest.splitAtNul() {
            strings.append(text)
            // No request needs more. A payload full of NULs must not cost a list of its length.
            if strings.count > allowed.upperBound { throw .EINVAL }
            rest = next
        }
        guard allowed.contains(strings.count) else { throw .EINVAL }
        return strings
    }
}
