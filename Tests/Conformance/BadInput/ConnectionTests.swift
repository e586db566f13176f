// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// Connections by the thousand, and connections that vanish.
@Suite struct ConnectionTests {
    let victim: Victim

    init() throws { victim = try Victim() }

    /// Whether this process, and with it the daemon, may have so many files open.
    private static func mayOpen(_ count: Int) -> Bool {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_max >= count else {
            return false
        }
        limit.rlim_cur = limit.rlim_max
        return setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
    }

    @Test(.enabled(if: mayOpen(11_000), "the limit of open files (ulimit -Hn) is below 11,000"))
    func servesTenThousandConnectionsAtOnce() throws {
        do {
            let clients = try (0..<10_000).map { _ in try victim.daemon.connect() }
            for (number, client) in clients.enumerated() where number % 100 == 0 {
                #expect(try client.ask(.write, "/many/\(number)\0v") == .ok)
                #expect(try client.ask(.watch, "/many\0t\0") == .ok)
            }
            #expect(try victim.growth < 10_000 * 4, "an idle connection costs less than a page")
            try victim.servesOthersPromptly()
            #expect(try clients[9_999].ask(.read, "/many/0\0") == .data("v"))
        }
        try victim.isUnharmed(mayGrowBy: 16 * 1024)
    }

    @Test func forgetsClientsThatVanishInATransaction() throws {
        var random = Randomness(seed: 21)
        for _ in 0..<300 {
            let client = try victim.daemon.connect()
            let transaction = try client.startTransaction()
            for _ in 0..<random.number(0...5) {
                #expect(try client.ask(.write, "/t/\(random.number(0...9))\0v", in: transaction) == .ok)
            }
            if random.once(in: 2) { try client.send(Message(.transactionEnd, "T\0", transaction: transaction)) }
        }
        try victim.isUnharmed()
    }

    /// The replies have nobody to go to.
    @Test func forgetsClientsThatVanishBeforeTheirReplies() throws {
        #expect(try victim.client.ask(.write, "/large\0" + String(repeating: "v", count: 4000)) == .ok)
        for _ in 0..<100 {
            let client = try victim.daemon.connect()
            try client.send((0..<20).flatMap { _ in Message(.read, "/large\0").bytes })
        }
        try victim.isUnharmed()
    }

    @Test func forgetsClientsThatVanishInsideAMessage() throws {
        var random = Randomness(seed: 22)
        for _ in 0..<300 {
            let client = try victim.daemon.connect()
            let bytes = (0..<5).flatMap { Message(.write, "/f/\($0)\0some value").bytes }
            try client.send(Array(bytes.prefix(random.number(1...bytes.count))))
            if random.once(in: 3) { client.finishSending() }
        }
        try victim.isUnharmed()
    }

    @Test func forgetsTheWatchesOfVanishedClients() throws {
        for round in 0..<100 {
            let client = try victim.daemon.connect()
            for index in 0..<20 { #expect(try client.ask(.watch, "/gone/\(index)\0\(round)\0") == .ok) }
            try client.send(Message(.watch, "/gone\0last\0"))
        }
        for index in 0..<20 { #expect(try victim.client.ask(.write, "/gone/\(index)\0v") == .ok) }
        try victim.isUnharmed()
    }

    @Test func survivesAStormOfShortConnections() throws {
        for _ in 0..<2000 {
            #expect(try victim.daemon.connect().ask(.getDomainPath, "1\0") == .data("/local/domain/1\0"))
        }
        for _ in 0..<2000 { _ = try victim.daemon.connect() }
        try victim.isUnharmed()
    }
}
