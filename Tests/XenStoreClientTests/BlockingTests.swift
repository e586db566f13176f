// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import XenStoreClient
import XenStoreWire

@Suite struct BlockingTests {
    private func connect(
        _ answer: @escaping @Sendable (ReceivedRequest) -> [UInt8]?
    ) -> (FakeDaemon, XenStoreConnection) {
        let daemon = FakeDaemon(answer)
        return (daemon, XenStoreConnection(adopting: daemon.clientDescriptor))
    }

    // MARK: What is sent

    @Test func requestsHaveTheProtocolsBytes() throws {
        let (daemon, store) = connect { message($0.type, Array("OK\0".utf8)) }
        let transaction = TransactionID(rawValue: 7)
        try store.write("/a", "x\0y", in: transaction)
        try store.remove("/a")
        try store.setPermissions("/a", [Permission(.read, .control), Permission(.write, DomainID(5))])
        try store.watch("/a", token: "t", depth: 2)
        try store.watch("/a", token: "t")
        try store.endTransaction(transaction, commit: false)
        try store.introduce(DomainID(3), gfn: 9, port: 2)
        _ = try store.control("quota", ["set", "nodes"])
        #expect(
            daemon.requests == [
                ReceivedRequest(.write, "/a\0x\0y", in: 7),
                ReceivedRequest(.remove, "/a\0"),
                ReceivedRequest(.setPermissions, "/a\0r0\0w5\0"),
                ReceivedRequest(.watch, "/a\0t\u{0}2\0"),
                ReceivedRequest(.watch, "/a\0t\0"),
                ReceivedRequest(.transactionEnd, "F\0", in: 7),
                ReceivedRequest(.introduce, "3\u{0}9\u{0}2\0"),
                ReceivedRequest(.control, "quota\0set\0nodes\0"),
            ])
    }

    @Test func anImpossibleRequestIsNotSent() throws {
        let (daemon, store) = connect { message($0.type, Array("OK\0".utf8)) }
        #expect(throws: XenStoreError.wire(.EINVAL)) { try store.read("/a\0b") }
        #expect(throws: XenStoreError.wire(.E2BIG)) {
            try store.write("/a", [UInt8](repeating: 0, count: 4094))
        }
        try store.write("/a", [UInt8](repeating: 0, count: 4093))
        #expect(daemon.requests.count == 1)
    }

    // MARK: What comes back

    @Test func repliesAreUnderstood() throws {
        let (_, store) = connect { request in
            switch request.type {
            case 1: message(.directory, request.payload == "/\0" ? "a\0bc\0" : "")
            case 3: message(.getPermissions, "n0\0b32757\0")
            case 6: message(.transactionStart, "42\0")
            case 17: message(.isDomainIntroduced, "T\0")
            case 23: message(.getFeature, "14\0")
            case 25: message(.getQuota, request.payload == "" ? "nodes watches\0" : "128\0")
            default: nil
            }
        }
        #expect(try store.directory("/") == ["a", "bc"])
        #expect(try store.directory("/a") == [])
        #expect(
            try store.getPermissions("/")
                == [Permission([], .control), Permission([.read, .write], .any)])
        #expect(try store.beginTransaction().rawValue == 42)
        #expect(try store.isDomainIntroduced(.control))
        #expect(try store.features() == [.errorField, .watchDepth, .anyDomain])
        #expect(try store.quotaNames() == ["nodes", "watches"])
        #expect(try store.quota("watches") == 128)
    }

    @Test func errorsKeepTheConnection() throws {
        let (_, store) = connect {
            $0.payload == "/a\0"
                ? message(.read, "v")
                : message(.error, $0.payload == "/b\0" ? "EACCES\0" : "EFOO\0")
        }
        #expect(throws: XenStoreError.wire(.EACCES)) { try store.read("/b") }
        #expect(throws: XenStoreError.wire(.EINVAL)) { try store.read("/c") }
        #expect(try store.read("/a") == Array("v".utf8))
    }

    @Test(arguments: [
        (XenStoreWire.Operation.directory, "abc"), (.directory, "a\0\0b\0"), (.directory, "\0"),
    ])
    func aMalformedListIsAViolation(_ operation: XenStoreWire.Operation, _ payload: String) throws {
        let (_, store) = connect { _ in message(operation, payload) }
        // Twice: what makes no sense is no reason to hang up.
        for _ in 0..<2 {
            #expect(throws: XenStoreError.protocolViolation(.malformedPayload(of: operation))) {
                try store.directory("/")
            }
        }
    }

    @Test(arguments: ["", "0\0", "x\0", "4294967296\0", "-1\0"])
    func aMalformedTransactionNumberIsAViolation(_ payload: String) throws {
        let (_, store) = connect { _ in message(.transactionStart, payload) }
        #expect(throws: XenStoreError.protocolViolation(.malformedPayload(of: .transactionStart))) {
            try store.beginTransaction()
        }
    }

    @Test func wrongTypeClosesTheConnection() throws {
        let (daemon, store) = connect { _ in message(.write, "OK\0") }
        let violation = ProtocolViolation.unexpectedReply(to: .read, type: 11)
        for _ in 0..<2 {
            #expect(throws: XenStoreError.protocolViolation(violation)) { try store.read("/") }
        }
        #expect(daemon.requests.count == 1)
    }

    @Test(arguments: [4097, 0x7fff_ffff, 0xffff_ffff] as [UInt32])
    func oversizedMessageClosesTheConnection(_ length: UInt32) throws {
        let (_, store) = connect { _ in message(.read, "v", length: length) }
        for _ in 0..<2 {
            #expect(throws: XenStoreError.protocolViolation(.oversizedMessage(length: length))) {
                try store.read("/")
            }
        }
    }

    @Test func aReplyOf4096BytesIsAccepted() throws {
        let value = [UInt8](repeating: 0x61, count: 4096)
        let (_, store) = connect { message($0.type, value) }
        #expect(try store.read("/") == value)
        #expect(try store.read("/") == value)
    }

    @Test(arguments: [0, 1, 15, 16, 17])
    func hangingUpInAReplyEndsTheConnection(_ bytes: Int) throws {
        let sent = Array(message(.read, "vw").prefix(bytes))
        let daemon = FakeDaemon { _ in nil }
        daemon.send(sent)
        let store = XenStoreConnection(adopting: daemon.clientDescriptor)
        #expect {
            try store.read("/")
        } throws: { error in
            guard case .connection(let failure) = error as? XenStoreError else { return false }
            return failure.wasOpen
        }
    }

    // MARK: Long lists

    @Test func aLongListIsJoinedFromParts() throws {
        let (daemon, store) = connect { request in
            switch request.payload {
            case "/\0": message(.error, "E2BIG\0")
            case "/\u{0}0\0": message(.directoryPart, "7\0a\0b\0")
            case "/\u{0}4\0": message(.directoryPart, "7\0c\0\0")
            default: nil
            }
        }
        #expect(try store.directory("/") == ["a", "b", "c"])
        #expect(daemon.requests.count == 3)
    }

    @Test func listThatChangesMeanwhileStartsAgain() throws {
        let asked = Counter()
        let (_, store) = connect { request in
            switch request.payload {
            case "/\0": message(.error, "E2BIG\0")
            case "/\u{0}0\0": message(.directoryPart, asked.next() == 1 ? "7\0a\0b\0" : "8\0x\0\0")
            default: message(.directoryPart, "8\0y\0\0")
            }
        }
        #expect(try store.directory("/") == ["x"])
    }

    @Test func aListWithoutEndIsAnError() throws {
        let (_, store) = connect { request in
            switch request.payload {
            case "/\0": message(.error, "E2BIG\0")
            case "/\u{0}0\0": message(.directoryPart, "7\0a\0b\0")
            default: message(.directoryPart, "7\0")
            }
        }
        #expect(throws: XenStoreError.protocolViolation(.malformedPayload(of: .directoryPart))) {
            try store.directory("/")
        }
    }

    @Test func withoutPartsALongListIsE2BIG() throws {
        let (_, store) = connect { message(.error, $0.type == 1 ? "E2BIG\0" : "ENOSYS\0") }
        #expect(throws: XenStoreError.wire(.E2BIG)) { try store.directory("/") }
    }

    // MARK: Events

    @Test func eventsBeforeAReplyAreKept() throws {
        let (_, store) = connect { _ in
            message(.watchEvent, "/a\0t\0") + message(.watchEvent, "/b\0t\0") + message(.read, "v")
                + message(.watchEvent, "/c\0t\0")
        }
        #expect(try store.read("/") == Array("v".utf8))
        #expect(try store.nextEvent() == WatchEvent(path: "/a", token: "t"))
        #expect(try store.nextEvent(timeout: .zero) == WatchEvent(path: "/b", token: "t"))
        #expect(try store.nextEvent() == WatchEvent(path: "/c", token: "t"))
        #expect(try store.nextEvent(timeout: .zero) == nil)
        #expect(try store.nextEvent(timeout: .milliseconds(2)) == nil)
    }

    @Test(arguments: ["", "/a", "/a\0", "/a\0t"])
    func aMalformedEventIsAViolation(_ payload: String) throws {
        let daemon = FakeDaemon { _ in nil }
        daemon.send(message(.watchEvent, payload))
        let store = XenStoreConnection(adopting: daemon.clientDescriptor)
        #expect(throws: XenStoreError.protocolViolation(.malformedPayload(of: .watchEvent))) {
            try store.nextEvent()
        }
    }

    @Test func anUnexpectedReplyIsAViolation() throws {
        let daemon = FakeDaemon { _ in nil }
        daemon.send(message(.read, "v"))
        let store = XenStoreConnection(adopting: daemon.clientDescriptor)
        let violation = ProtocolViolation.unexpectedReply(to: .watchEvent, type: 2)
        #expect(throws: XenStoreError.protocolViolation(violation)) { try store.nextEvent() }
    }

    // MARK: Transactions

    @Test func transactionsAreRetriedAndAborted() throws {
        let (daemon, store) = connect(conflictingTwice())
        try store.transaction { try store.write("/a", "1", in: $0) }
        #expect(daemon.requests.filter { $0.type == 11 && $0.transaction == 5 }.count == 3)

        struct Mine: Error {}
        #expect(throws: Mine.self) { try store.transaction { _ in throw Mine() } }
        #expect(daemon.requests.last == ReceivedRequest(.transactionEnd, "F\0", in: 5))
    }

    @Test func attemptsAreBounded() throws {
        let (daemon, store) = connect {
            $0.type == 6 ? message(.transactionStart, "5\0") : message(.error, "EAGAIN\0")
        }
        #expect(throws: XenStoreError.wire(.EAGAIN)) {
            try store.transaction(attemptsMax: 4) { _ in }
        }
        #expect(daemon.requests.count == 8)
    }
}

/// Counts from 1, for answers that differ from time to time.
final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var count = 0

    func next() -> Int {
        lock.withLock {
            count += 1
            return count
        }
    }
}
