// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// Frames, and the shape of every reply.
@Suite final class FramingTests: DaemonSuite {
    @Test(arguments: [0, 1, 0x7fff_ffff, 0xffff_ffff] as [UInt32])
    func copiesTheNumberOfTheRequest(number: UInt32) throws {
        try client.send(Message(.getDomainPath, "7\0", number: number))
        #expect(try client.receive() == Message(.getDomainPath, "/local/domain/7\0", number: number))
    }

    @Test func copiesTheTransactionOfTheRequest() throws {
        let transaction = try client.startTransaction()
        let request = Message(.write, "/a\0v", number: 5, transaction: transaction)
        try client.send(request)
        #expect(try client.receive() == Message(.write, "OK\0", number: 5, transaction: transaction))
    }

    @Test func answersAnErrorWithItsNameAndBothNumbers() throws {
        try client.send(Message(.read, "/a\0", number: 6, transaction: 0xdead_beef))
        #expect(try client.receive() == Message(.error, "ENOENT\0", number: 6, transaction: 0xdead_beef))
    }

    @Test func tellsOfEventsWithoutNumbers() throws {
        try client.send(Message(.watch, "/a\0t\0", number: 9))
        #expect(try client.receive() == Message(.watch, "OK\0", number: 9))
        #expect(try client.receive() == Message(.watchEvent, "/a\0t\0"))
    }

    @Test func readsARequestByteByByte() throws {
        for byte in Message(.write, "/a\0value", number: 1).bytes { try client.send([byte]) }
        #expect(try client.receive()?.payload == Array("OK\0".utf8))
        #expect(try client.ask(.read, "/a\0") == .data("value"))
    }

    /// At every place where a request can be torn.
    @Test func readsRequestsInTwoPieces() throws {
        let bytes = Message(.getDomainPath, "12\0", number: 1).bytes
        let others = try daemon.connect()
        for split in 1..<bytes.count {
            try client.send(Array(bytes[..<split]))
            #expect(try others.ask(.getDomainPath, "1\0") == .data("/local/domain/1\0"))
            try client.send(Array(bytes[split...]))
            #expect(try client.receive()?.payload == Array("/local/domain/12\0".utf8))
        }
    }

    @Test func answersManyRequestsInOrder() throws {
        let requests = (0..<1000).map { Message(.getDomainPath, "\($0)\0", number: UInt32($0)) }
        try client.send(requests.flatMap(\.bytes))
        for request in requests {
            #expect(try client.answer(to: request) == .data("/local/domain/\(request.number)\0"))
        }
    }

    @Test func takesAPayloadOf4096Bytes() throws {
        let value = String(repeating: "v", count: 4096 - 3)
        #expect(try client.ask(.write, "/a\0" + value) == .ok)
        #expect(try client.ask(.read, "/a\0") == .data(value))
    }

    /// The answer to what came before is still sent.
    @Test(arguments: [4097, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] as [UInt32])
    func closesTheConnectionAtALongerMessage(length: UInt32) throws {
        let before = Message(.getDomainPath, "3\0", number: 1)
        let header = Message.header(.read, 2, 0, length: length)
        try client.send(before.bytes + header + Array("/a\0".utf8))
        #expect(try client.answer(to: before) == .data("/local/domain/3\0"))
        #expect(try client.receive() == nil)
        #expect(try daemon.connect().ask(.getDomainPath, "3\0") == .data("/local/domain/3\0"))
    }

    @Test func answersUpTo4096BytesAndThenE2BIG() throws {
        for index in 0..<16 {
            let name = "\(10 + index)" + String(repeating: "n", count: 253)
            #expect(try client.ask(.mkdir, "/list/\(name)\0") == .ok)
        }
        #expect(try client.ask(.directory, "/list\0").bytes.count == 4096)
        #expect(try client.ask(.mkdir, "/list/x\0") == .ok)
        #expect(try client.ask(.directory, "/list\0") == .E2BIG)
    }

    @Test func answersRequestsFromBeforeTheClientStoppedSending() throws {
        let requests = (0..<1000).map { Message(.getDomainPath, "\($0)\0", number: UInt32($0)) }
        try client.send(requests.flatMap(\.bytes) + Message(.read, "/x\0").bytes.dropLast())
        client.finishSending()
        for request in requests { _ = try client.answer(to: request) }
        #expect(try client.receive() == nil)
    }

    /// Every operation has one reply, whatever its payload: the client sees to that at each `ask`.
    @Test func answersEveryTypeAndPayloadOnce() throws {
        let payloads = [
            "", "\0", "/\0", "a", "a\0b\0", "\0\0\0", "0\0", "/\0\0x\0", String(repeating: "\0", count: 4096),
        ]
        for type in 0...UInt32(40) {
            for payload in payloads {
                _ = try client.ask(Op(rawValue: type), payload)
                _ = try client.ask(.resetWatches, "")
                _ = client.takeEvents()
            }
        }
        #expect(try client.ask(.getDomainPath, "3\0") == .data("/local/domain/3\0"))
    }
}
