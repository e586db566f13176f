// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import TestSupport
import Testing
import XenStorePlugin
import XenStoreTestKit

@testable import StreamSocket

/// A transport that wants to know who a client is, on a socket that is no unix socket.
@Suite struct AdmissionTests {
    private static let token = Array("the token\n".utf8)

    /// What the transport has logged.
    private let log = LogLines()

    /// The transport's clients have so many milliseconds for the token.
    private func block(patience: Int) -> ConfigurationBlock {
        var block = ConfigurationBlock(defaultsOf: LoopbackTCP.keys)
            .with("token", .secret(Secret(Self.token, from: "token"))).with("port", .number(0))
            .with("patience", .duration(.milliseconds(patience)))
        block.log = log.log
        return block
    }

    /// A daemon with the transport only.
    private func start() throws -> (SocketHost, LoopbackTCP) {
        let host = try SocketHost()
        let transport = try LoopbackTCP(block(patience: 10_000))
        try transport.start(on: host.reactor, host: host.engine)
        return (host, transport)
    }

    @Test func servesAClientThatSendsItsTokenAndRequestsAtOnce() throws {
        let (host, transport) = try start()
        defer { transport.stop() }
        let client = try Reader(port: transport.port)
        client.send(Self.token + Reader.request + Reader.request.prefix(5))
        try host.run {
            client.receive()
            return client.replies == 1
        }
        client.send(Reader.request.dropFirst(5))
        try host.run {
            client.receive()
            return client.replies == 2
        }
        #expect(log.contain("debug: connection") && log.contain("127.0.0.1, port "))
    }

    @Test func waitsForATokenThatComesInPieces() throws {
        let (host, transport) = try start()
        defer { transport.stop() }
        let client = try Reader(port: transport.port)
        for byte in Self.token {
            client.send([byte])
            var turns = 0
            try host.run {
                turns += 1
                return turns == 3
            }
        }
        client.send(Reader.request)
        try host.run {
            client.receive()
            return client.replies == 1
        }
    }

    // MARK: Time

    @Test func endsAClientThatNeverSendsItsToken() throws {
        let tcp = try HandTCP(block(patience: 30))
        let client = try tcp.connect()
        client.send(Self.token.prefix(3))
        try tcp.hear()
        tcp.loop.advance(milliseconds: 29)
        // It has said something, but not enough, and goes on saying it: that buys it no time.
        client.send(Self.token.dropFirst(3).prefix(1))
        try tcp.hear()
        #expect(tcp.transport.server?.connectionCount == 1)
        tcp.loop.advance(milliseconds: 1)
        #expect(tcp.transport.server?.connectionCount == 0)
        try client.receiveToTheEnd()
        #expect(client.replies == 0)
        #expect(log.contain("warning: a client is turned away, the last one because it did not say in time who it is"))
        #expect(tcp.loop.nextWake == nil)
    }

    @Test func aClientIsNotTimedOutOnceItIsKnown() throws {
        let tcp = try HandTCP(block(patience: 30))
        let client = try tcp.connect()
        client.send(Self.token)
        try tcp.hear()
        #expect(tcp.loop.nextWake == nil)
        tcp.loop.advance(milliseconds: 1000)
        client.send(Reader.request)
        try tcp.hear()
        try client.receive(replies: 1)
    }

    @Test func aPortThatIsInUseIsAnErrorOfTheStart() throws {
        let (host, transport) = try start()
        defer { transport.stop() }
        let second = try LoopbackTCP(block(patience: 10_000).with("port", .number(Int(transport.port))))
        #expect(throws: SystemError(EADDRINUSE, doing: "listen")) {
            try second.start(on: host.reactor, host: host.engine)
        }
        second.stop()
    }

    @Test func turnsAwayAClientWithAWrongToken() throws {
        let (host, transport) = try start()
        defer { transport.stop() }
        let client = try Reader(port: transport.port)
        client.send(Array("the tokem\n".utf8) + Reader.request)
        try host.run {
            client.receive()
            return client.hasEnded
        }
        #expect(client.replies == 0)
        #expect(log.contain("because its token is wrong"))
    }

    @Test func forgetsAClientThatLeavesBeforeItsToken() throws {
        let (host, transport) = try start()
        defer { transport.stop() }
        var client: Reader? = try Reader(port: transport.port)
        try host.run { transport.server?.connectionCount == 1 }
        client?.send(Self.token.prefix(3))
        client = nil
        try host.run { transport.server?.connectionCount == 0 }
    }

    @Test func endsAllWhenItStops() throws {
        let (host, transport) = try start()
        let clients = try (0..<6).map { _ in try Reader(port: transport.port) }
        clients[0].send(Self.token)
        try host.run { transport.server?.connectionCount == 6 }
        transport.stop()
        for client in clients {
            try client.receiveToTheEnd()
            #expect(client.hasEnded)
        }
        #expect(transport.server?.connectionCount == 0)
    }

    /// A hook that never knows does not make the daemon keep all that a client sends.
    @Test func aClientThatSaysTooMuchIsTurnedAway() throws {
        let host = try SocketHost()
        var address = LoopbackTCP.address(port: 0)
        let listening = try StreamServer.listen(at: &address, AF_INET)
        var most = 0
        let server = try StreamServer(listening, on: host.reactor, host: host.engine) { arrival in
            most = max(most, arrival.bytes.count)
            return .wait
        }
        defer { server.stop() }
        let client = try Reader(port: UInt16(bigEndian: address.sin_port))
        try #require(client.send([UInt8](repeating: 1, count: 50_000)) > Arrival.bytesMax)
        try host.run {
            client.receive()
            return client.hasEnded
        }
        #expect(most == Arrival.bytesMax)
    }
}

/// The transport on a loop that the test cranks: it hears of clients, and time passes, when the test says so.
private final class HandTCP {
    let loop = HandLoop()
    let host: EmbeddedHost
    let transport: LoopbackTCP
    private let listening: Int32
    private var accepted: Int32 = -1

    init(_ block: ConfigurationBlock) throws {
        host = try EmbeddedHost(storage: FailingStorage())
        transport = try LoopbackTCP(block)
        try transport.start(on: loop, host: host.engine)
        listening = try #require(loop.watched.keys.first)
    }

    deinit { transport.stop() }

    /// A client that the transport has accepted.
    func connect() throws -> Reader {
        let client = try Reader(port: transport.port)
        try hear(listening)
        accepted = try #require(loop.watched.keys.first { $0 != listening })
        return client
    }

    /// The transport hears what the client has sent.
    func hear() throws { try hear(accepted) }

    private func hear(_ descriptor: Int32) throws {
        try #require(try !waitUntilReady([(descriptor, POLLIN)], Deadline()).isEmpty)
        #expect(loop.makeReady(descriptor, for: .readable))
        host.settle()
    }
}

extension Reader {
    /// A client over TCP.
    convenience init(port: UInt16) throws {
        let descriptor = socket(AF_INET, linux_sock_stream | linux_sock_cloexec, 0)
        let address = LoopbackTCP.address(port: Int(port))
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard result == 0 else { throw SystemError(errno, doing: "connect") }
        self.init(connected: descriptor)
    }
}
