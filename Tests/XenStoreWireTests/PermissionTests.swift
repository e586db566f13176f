// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreWire

@Suite struct PermissionTests {
    @Test(
        arguments: [
            ("n0", [], 0), ("r5", .read, 5), ("w32751", .write, 32751), ("b32757", [.read, .write], 32757),
            ("r65535", .read, 65535), ("n007", [], 7),
        ] as [(String, Access, UInt16)])
    func isParsed(text: String, access: Access, domain: UInt16) {
        #expect(parsed(text) == Permission(access, DomainID(domain)))
    }

    @Test(arguments: [
        "", "r", "5", "x5", "R5", "r-1", "r+1", "r 1", " r1", "r1 ", "r0x5", "r65536", "r99999999999999999999",
        "r1r", "rr1", "r1\0",
    ])
    func isRefused(text: String) {
        #expect(parsed(text) == nil)
    }

    @Test(arguments: ["n", "r", "w", "b"])
    func letterIsItsAccess(letter: String) throws {
        let byte = try #require(letter.utf8.first)
        #expect(try #require(Access(letter: byte)).letter == byte)
    }

    @Test func ownershipHasNoLetter() {
        #expect(Access.owner.letter == UInt8(ascii: "n"))
        #expect(Access([.read, .owner]).letter == UInt8(ascii: "r"))
    }

    @Test func staleEntriesDiffer() {
        #expect(Permission(.read, DomainID(5)) != Permission(.read, DomainID(5), isStale: true))
    }

    private func parsed(_ text: String) -> Permission? { Array(text.utf8).withUnsafeBytes { Permission(wire: $0) } }
}

@Suite struct DecimalTests {
    @Test(arguments: ["0", "7", "00", "65535", "0065535"])
    func isParsed(text: String) { #expect(UInt16(decimal: text) == UInt16(text)) }

    @Test(arguments: ["", "65536", "655350", "-1", "+1", " 1", "1 ", "1a", "0x1", "\0", "٣"])
    func isRefused(text: String) { #expect(UInt16(decimal: text) == nil) }

    @Test func readsNumbersUpToTheTypesBound() {
        #expect(UInt64(decimal: "18446744073709551615") == .max)
        #expect(UInt64(decimal: "18446744073709551616") == nil)
        #expect(Int8(decimal: "127") == 127)
        #expect(Int8(decimal: "128") == nil)
    }
}

extension FixedWidthInteger {
    fileprivate init?(decimal text: String) {
        guard let value = Array(text.utf8).withUnsafeBytes({ Self(decimal: $0) }) else { return nil }
        self = value
    }
}
