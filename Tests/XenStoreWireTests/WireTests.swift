// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreWire

@Suite struct HeaderTests {
    @Test func isFourWordsInHostOrder() {
        let bytes = stored(Header(type: 0x0102_0304, request: 5, transaction: 6, length: 0xffff_ffff))
        #expect(bytes == [4, 3, 2, 1, 5, 0, 0, 0, 6, 0, 0, 0, 255, 255, 255, 255])
    }

    @Test(arguments: 0..<8)
    func isReadAtAnyAlignment(offset: Int) {
        let header = Header(type: 11, request: 0xdead_beef, transaction: 7, length: 4096)
        let bytes = [UInt8](repeating: 0xaa, count: offset) + stored(header)
        bytes.withUnsafeBytes { #expect(Header(UnsafeRawBufferPointer(rebasing: $0[offset...])) == header) }
    }

    @Test func defaultsToNoRequestAndNoTransaction() {
        #expect(Header(type: 15, length: 3) == Header(type: 15, request: 0, transaction: 0, length: 3))
    }

    private func stored(_ header: Header) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xee, count: Header.size)
        bytes.withUnsafeMutableBytes { if let start = $0.baseAddress { header.store(to: start) } }
        return bytes
    }
}

@Suite struct OperationTests {
    /// The numbers and names of Xen's `xs_wire.h`.
    private static let known: [(UInt32, String)] = [
        (0, "CONTROL"), (1, "DIRECTORY"), (2, "READ"), (3, "GET_PERMS"), (4, "WATCH"), (5, "UNWATCH"),
        (6, "TRANSACTION_START"), (7, "TRANSACTION_END"), (8, "INTRODUCE"), (9, "RELEASE"),
        (10, "GET_DOMAIN_PATH"), (11, "WRITE"), (12, "MKDIR"), (13, "RM"), (14, "SET_PERMS"),
        (15, "WATCH_EVENT"), (16, "ERROR"), (17, "IS_DOMAIN_INTRODUCED"), (18, "RESUME"), (19, "SET_TARGET"),
        (21, "RESET_WATCHES"), (22, "DIRECTORY_PART"), (23, "GET_FEATURE"), (24, "SET_FEATURE"),
        (25, "GET_QUOTA"), (26, "SET_QUOTA"),
    ]

    @Test(arguments: known)
    func hasTheWiresNumber(number: UInt32, name: String) throws {
        let operation = try #require(Operation(rawValue: number))
        #expect("\(operation.name)" == name)
    }

    @Test func otherNumbersAreNoOperation() {
        #expect(Operation.allCases.count == OperationTests.known.count)
        for number in [20, 27, 28, 0xffff, .max] as [UInt32] { #expect(Operation(rawValue: number) == nil) }
    }
}

@Suite struct WireErrorTests {
    private static let names = [
        "EINVAL", "EACCES", "EEXIST", "EISDIR", "ENOENT", "ENOMEM", "ENOSPC", "EIO",
        "ENOTEMPTY", "ENOSYS", "EROFS", "EBUSY", "EAGAIN", "EISCONN", "E2BIG", "EPERM",
    ]

    @Test func areTheSixteenInOrder() {
        #expect(WireError.allCases.map { "\($0.name)" } == WireErrorTests.names)
    }

    @Test(arguments: WireError.allCases)
    func isFoundByItsName(error: WireError) {
        #expect(named("\(error.name)") == error)
    }

    @Test(arguments: ["", "EQUOTA", "EINVA", "EINVALX", "einval", "ENOENT\0", " EIO"])
    func isNotFoundByAnother(name: String) {
        #expect(named(name) == nil)
    }

    /// The daemon sends the byte behind the name as the NUL of the wire.
    @Test(arguments: WireError.allCases)
    func hasANameThatEndsWithNUL(error: WireError) {
        #expect(error.name.utf8Start[error.name.utf8CodeUnitCount] == 0)
    }

    private func named(_ name: String) -> WireError? { Array(name.utf8).withUnsafeBytes { WireError(wireName: $0) } }
}

@Suite struct FeatureTests {
    @Test func hasTheWiresBits() {
        #expect(Feature.reconnection.rawValue == 1)
        #expect(Feature.errorField.rawValue == 2)
        #expect(Feature.watchDepth.rawValue == 4)
        #expect(Feature.anyDomain.rawValue == 8)
        #expect(Feature.all.rawValue == 15)
    }
}
