// SPDX-License-Identifier: Apache-2.0
import MemoryStorage
import XenStorePlugin
import XenStoreWire

/// One run of a transport that is tested, with a kernel and an event loop of its own.
final class TransportRun {
    private let transport: any Transport
    private let connectOne: (() throws -> any WireClient)?
    private let host: EmbeddedHost
    private let loop = HandLoop()
    /// What a client has received, and no test has looked at yet.
    private var received: [UInt8] = []

    /// How often the loop asks the system before a test gives up; each time for this many milliseconds.
    private static let patience = (rounds: 500, milliseconds: Int32(10))

    init(_ transport: any Transport, _ connect: (() throws -> any WireClient)?) throws {
        self.transport = transport
        connectOne = connect
        host = try EmbeddedHost(storage: Memory(ConfigurationBlock([:])))
        try transport.start(on: loop, host: host.engine)
    }

    func stop() {
        transport.stop()
        _ = host.settle()
    }

    /// What the kernel has complained about.
    var complaints: [String] {
        host.log(.error) + (loop.watched.isEmpty ? [] : ["it watches descriptors after its end"])
    }

    // MARK: Turns

    /// Serves until `isDone`.
    private func serve(_ what: String, until isDone: () -> Bool) throws(TransportConformance.Problem) {
        for _ in 0..<Self.patience.rounds {
            _ = loop.poll(milliseconds: 0)
            _ = host.settle()
            if isDone() { return }
            _ = loop.poll(milliseconds: Self.patience.milliseconds)
            _ = host.settle()
            if isDone() { return }
        }
        throw .init(text: what)
    }

    private func connect() throws -> any WireClient {
        guard let connectOne else { throw TransportConformance.Problem(text: "no client") }
        return try connectOne()
    }

    private var connections: UInt64 { measured("connections") }

    private func measured(_ name: String) -> UInt64 {
        host.engine.measurements().flatMap(\.measurements).first { $0.name == name }?.value ?? 0
    }

    // MARK: Messages

    /// A request that every client may make, and whose answer shows which one it was.
    private func request(_ number: UInt32) -> [UInt8] {
        let payload = Array("\(number % 30000)\0".utf8)
        return message(.getDomainPath, number, payload)
    }

    private func answer(_ number: UInt32) -> [UInt8] {
        message(.getDomainPath, number, Array("/local/domain/\(number % 30000)\0".utf8))
    }

    private func message(_ operation: Operation, _ number: UInt32, _ payload: [UInt8]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Header.size)
        let header = Header(
            type: operation.rawValue, request: number, transaction: 0, length: UInt32(payload.count))
        bytes.withUnsafeMutableBytes { if let start = $0.baseAddress { header.store(to: start) } }
        return bytes + payload
    }

    private func send(_ bytes: [UInt8], on client: any WireClient, pieces: Int = .max) throws {
        var sent = 0
        while sent < bytes.count {
            let end = min(bytes.count, pieces == .max ? bytes.count : sent + pieces)
            let before = sent
            try serve("it does not read what a client sends") {
                sent += client.send(bytes[sent..<end])
                return sent > before
            }
        }
    }

    private func expect(_ bytes: [UInt8], on client: any WireClient) throws {
        try serve("a client does not get its answers") {
            received += client.receive() ?? []
            return received.count >= bytes.count
        }
        defer { received.removeFirst(min(received.count, bytes.count)) }
        if !received.starts(with: bytes) {
            throw TransportConformance.Problem(text: "a client gets other bytes than its answers")
        }
    }

    private func expectEnd(of client: any WireClient, _ why: String) throws {
        try serve("it does not close the connection \(why)") { client.receive() == nil }
        try expectConnections(0)
    }

    private func expectConnections(_ count: UInt64) throws {
        try serve("the kernel has \(connections) connections instead of \(count)") { connections == count }
    }

    // MARK: Tests

    func expectAnswers(to count: UInt32, pieces: Int = .max) throws {
        let client = try connect()
        try send((1...count).flatMap(request), on: client, pieces: pieces)
        try expect((1...count).flatMap(answer), on: client)
        try expectConnections(1)
        client.hangUp()
        try expectConnections(0)
    }

    /// The daemon stops reading from a client that does not read. When it reads at last, it gets everything in order.
    func readLate() throws {
        let client = try connect()
        // All are of one length. The wire and the kernel hold some of the answers, but not all.
        let (blocks, perBlock): (UInt32, Int) = (300, 1000)
        let size = request(Self.firstOfMany).count
        var sent = 0
        for block in 0..<blocks {
            let requests = [[UInt8]](repeating: request(Self.firstOfMany + block), count: perBlock).flatMap { $0 }
            let begin = Int(block) * perBlock * size
            var idle = 0
            while idle < 50, sent < begin + requests.count {
                let more = client.send(requests[(sent - begin)...])
                sent += more
                idle = more == 0 ? idle + 1 : 0
                _ = loop.poll(milliseconds: 0)
                _ = host.settle()
            }
            if sent < begin + requests.count { break }
        }
        // The wire may hold some of the requests, and many of the answers.
        if measured("bytes-received") >= UInt64(blocks) * UInt64(perBlock * size) / 2 {
            throw TransportConformance.Problem(text: "it reads on and on from a client that does not read")
        }
        let whole = sent / size
        for first in stride(from: 0, to: whole, by: perBlock) {
            let answer = answer(Self.firstOfMany + UInt32(first / perBlock))
            let count = min(perBlock, whole - first)
            try expect([[UInt8]](repeating: answer, count: count).flatMap { $0 }, on: client)
        }
    }

    /// The requests from this number on are of one length.
    private static let firstOfMany: UInt32 = 10_000

    func serveTwo() throws {
        let (first, second) = (try connect(), try connect())
        try send(request(1), on: second)
        try expect(answer(1), on: second)
        try send(request(2), on: first)
        try expect(answer(2), on: first)
        second.hangUp()
        try expectConnections(1)
        try send(request(3), on: first)
        try expect(answer(3), on: first)
    }

    func hangUp() throws {
        let client = try connect()
        try send(Array(request(1).prefix(10)), on: client)
        try expectConnections(1)
        client.hangUp()
        try expectConnections(0)
    }

    func finishSending() throws {
        let client = try connect()
        try send(request(1), on: client)
        guard client.finishSending() else { return }
        try expect(answer(1), on: client)
        try expectEnd(of: client, "of a client that has said all")
    }

    func sendTooMuch() throws {
        let client = try connect()
        var bytes = message(.read, 1, [])
        for index in 12..<16 { bytes[index] = 0xff }
        try send(bytes, on: client)
        try expectEnd(of: client, "of a client whose message is too long")
    }

    func comeAndGo() throws {
        for number in 1...50 as ClosedRange<UInt32> {
            let client = try connect()
            try send(request(number), on: client)
            if number % 2 == 0 { try expect(answer(number), on: client) }
            client.hangUp()
        }
        try expectConnections(0)
    }
}
