// SPDX-License-Identifier: Apache-2.0
import Glibc
import Reactor
import TestSupport
import Testing
import XenStorePlugin

@testable import StreamSocket

@Suite struct ConnectionTests {
    let host: SocketHost
    let client: Reader

    init() throws {
        host = try SocketHost()
        client = try Reader(host.folder.file("socket"))
    }

    @Test func aRequestIsAnswered() throws {
        client.send(Reader.request)
        try host.run {
            client.receive()
            return client.replies == 1
        }
        #expect(host.listener.connectionCount == 1)
    }

    @Test func joinsRequestsThatComeInPieces() throws {
        for byte in Reader.request {
            #expect(client.replies == 0)
            client.send([byte])
            var turns = 0
            try host.run {
                turns += 1
                client.receive()
                return turns == 2
            }
        }
        try host.run {
            client.receive()
            return client.replies == 1
        }
    }

    @Test func forgetsAClientThatCloses() throws {
        var client: Reader? = try Reader(host.folder.file("socket"))
        try host.run { host.listener.connectionCount == 2 }
        client?.send(Reader.request.prefix(7))
        client = nil
        try host.run { host.listener.connectionCount == 1 }
    }

    @Test(arguments: [1, 3000]) func answersAllBeforeItClosesAHalfClosedConnection(requests: Int) throws {
        let all = Array(repeatElement(Reader.request, count: requests).joined())
        #expect(client.send(all) == all.count)
        client.shutDown(SHUT_WR)
        try host.run {
            client.receive()
            return client.hasEnded
        }
        #expect(client.replies == requests)
        #expect(host.listener.connectionCount == 0)
    }

    @Test func keepsBytesThatASlowClientHasNotTaken() throws {
        var pending = try sendUntilStuck(requests: 40_000)
        try host.run {
            pending = pending.dropFirst(client.send(pending))
            client.receive()
            return client.replies == 40_000
        }
        #expect(pending.isEmpty)
    }

    @Test func sendsASlowClientTheRestAfterItHasHalfClosed() throws {
        let pending = try sendUntilStuck(requests: 40_000)
        let requests = 40_000 - (pending.count + Reader.request.count - 1) / Reader.request.count
        client.shutDown(SHUT_WR)
        // The daemon gets to see the end while it still can't send.
        var turns = 0
        try host.run {
            turns += 1
            return turns == 10
        }
        try host.run {
            client.receive()
            return client.hasEnded
        }
        #expect(client.replies == requests)
    }

    /// Sends without reading a reply for as long as the daemon takes something, and returns the rest.
    private func sendUntilStuck(requests: Int) throws -> ArraySlice<UInt8> {
        var pending = Array(repeatElement(Reader.request, count: requests).joined())[...]
        var idle = 0
        try host.run {
            let taken = client.send(pending.prefix(4096))
            pending = pending.dropFirst(taken)
            idle = taken > 0 ? 0 : idle + 1
            return pending.isEmpty || idle == 3
        }
        return pending
    }

    @Test func dropsAClientThatCannotBeAnswered() throws {
        client.shutDown(SHUT_RD)
        client.send(Reader.request)
        try host.run { host.listener.connectionCount == 0 }
    }

    /// The kernel closes the link in the middle of what it was handed.
    @Test func letsTheKernelCloseFromWithinReceiving() throws {
        client.send(Message.header(.read, 0, 0, length: 4097) + Reader.request)
        try host.run {
            client.receive()
            return client.hasEnded
        }
        #expect(client.replies == 0)
        #expect(host.listener.connectionCount == 0)
    }

    @Test func endsEveryConnectionWhenItStops() throws {
        let others = try (0..<10).map { _ in try Reader(host.folder.file("socket")) }
        try host.run { host.listener.connectionCount == 11 }
        host.listener.stop()
        #expect(host.listener.connectionCount == 0)
        for client in others + [client] {
            try client.receiveToTheEnd()
            #expect(client.hasEnded)
        }
    }

    /// In a process of its own, whose limit may be lowered and which a SIGPIPE may end.
    @Test func turnsClientsAwayWithoutDescriptorsAndTakesThemInAgain() async {
        await #expect(processExitsWith: .success) {
            let host = try SocketHost()
            var clients = try (0..<40).map { _ in try Reader(host.folder.file("socket")) }
            let late = try Reader(host.folder.file("socket"))
            // Room for about twenty of them, less an eighth of all descriptors: the runtime's own threads open and
            // close files, too.
            let room = (0..<20).map { _ in dup(0) }
            room.forEach { close($0) }
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = rlim_t(try #require(room.max()) + 1)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)

            var turns = 0
            try host.run(sleeping: true) {
                turns += 1
                late.receive()
                return late.hasEnded
            }
            try #require((1..<41).contains(host.listener.connectionCount))
            try #require(turns < 50, "a full table must not make the loop spin")

            clients.removeAll()
            try host.run { host.listener.connectionCount == 0 }
            let next = try Reader(host.folder.file("socket"))
            next.send(Reader.request)
            try host.run {
                next.receive()
                return next.replies == 1
            }
        }
    }

    /// Not even the descriptor in reserve can be had back: the loop does not spin, and goes on when it can.
    @Test func acceptsAgainAfterAPauseWithoutDescriptors() async {
        await #expect(processExitsWith: .success) {
            let host = try SocketHost()
            let client = try Reader(host.folder.file("socket"))
            client.send(Reader.request)
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var none = limit
            none.rlim_cur = 3
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none)
            var turns = 0
            let end = Reactor.now().advanced(byMilliseconds: 250)
            try host.run(sleeping: true) {
                turns += 1
                return Reactor.now() >= end
            }
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            try #require(turns < 20, "a full table must not make the loop spin")
            try host.run(sleeping: true) {
                client.receive()
                return client.replies == 1
            }
        }
    }

    @Test func outlivesAClientThatLeavesBeforeItsReplies() async {
        await #expect(processExitsWith: .success) {
            signal(SIGPIPE, SIG_DFL)
            let host = try SocketHost()
            var client: Reader? = try Reader(host.folder.file("socket"))
            client?.send(Reader.request)
            client = nil
            var accepted = false
            try host.run {
                accepted = accepted || host.listener.connectionCount == 1
                return accepted && host.listener.connectionCount == 0
            }
        }
    }
}
