// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// Clients that ask and don't listen.
@Suite(.slow) struct DeafTests {
    let victim: Victim

    init() throws { victim = try Victim() }

    /// Sends the request again and again until the daemon takes no more of it, and returns how
    /// many there were, the last perhaps in part.
    private func flood(_ attacker: RawClient, with request: Message, atMost: Int) throws -> (whole: Int, sent: Int) {
        let bytes = request.bytes
        var sent = 0
        var idle = 0
        while idle < 100, sent < atMost * bytes.count {
            let count = attacker.trySend(bytes[(sent % bytes.count)...])
            if count > 0 {
                sent += count
                idle = 0
            } else {
                // A turn of the daemon, in which it would read more if it meant to.
                _ = try victim.client.ask(.getDomainPath, "0\0")
                idle += 1
            }
        }
        return (sent / bytes.count, sent)
    }

    /// It is BLOCKED, costs little, and when it reads at last it gets everything.
    @Test func stopsReadingFromAClientThatReadsNoReplies() throws {
        let value = String(repeating: "v", count: 4000)
        #expect(try victim.client.ask(.write, "/large\0" + value) == .ok)
        let attacker = try victim.daemon.connect()
        let request = Message(.read, "/large\0", number: 7)
        let (whole, sent) = try flood(attacker, with: request, atMost: 1_000_000)
        #expect(whole < 1_000_000, "the daemon has stopped reading")
        #expect(try victim.growth < 4096, "kibibytes")
        try victim.servesOthersPromptly()
        for _ in 0..<whole { #expect(try attacker.answer(to: request) == .data(value)) }
        let rest = sent % request.bytes.count
        if rest > 0 {
            try attacker.send(Array(request.bytes[rest...]))
            #expect(try attacker.answer(to: request) == .data(value))
        }
        #expect(try attacker.ask(.getDomainPath, "1\0") == .data("/local/domain/1\0"))
    }

    @Test func survivesManyClientsThatReadNothing() throws {
        #expect(try victim.client.ask(.write, "/large\0" + String(repeating: "v", count: 4000)) == .ok)
        do {
            let attackers = try (0..<20).map { _ in try victim.daemon.connect() }
            for attacker in attackers {
                _ = try flood(attacker, with: Message(.read, "/large\0"), atMost: 100_000)
            }
            #expect(try victim.growth < 20 * 512)
            try victim.servesOthersPromptly()
            withExtendedLifetime(attackers) {}
        }
        try victim.isUnharmed()
    }

    /// Changes that the deaf one is told of don't hold up whoever makes them.
    @Test func dropsAClientThatNeverReadsItsEvents() throws {
        let name = String(repeating: "n", count: 2900)
        do {
            let attacker = try victim.daemon.connect()
            #expect(try attacker.ask(.watch, "/\0t\0") == .ok)
            // 18,000 events of 3 kB, sent a hundred requests at a time.
            for hundred in 0..<180 {
                let requests = (0..<100).flatMap { index in
                    let path = "/w/\(name)\(hundred)-\(index)"
                    return [Message(.write, "\(path)\0v", number: 1), Message(.rm, "\(path)\0", number: 2)]
                }
                try victim.client.send(requests.flatMap(\.bytes))
                for request in requests { #expect(try victim.client.answer(to: request) == .ok) }
            }
            #expect(try victim.growth < 80 * 1024)
            try victim.servesOthersPromptly()
            // What had gone out can be read, and then it is over.
            while try attacker.receive() != nil {}
        }
        try victim.isUnharmed(mayGrowBy: 8192)
        try victim.daemon.waitForLog("does not read its events")
    }

    /// Events that are equal to one that waits take no room.
    @Test func keepsOneOfManyEqualEvents() throws {
        let attacker = try victim.daemon.connect()
        for index in 0..<20 { #expect(try attacker.ask(.watch, "/same\0token \(index)\0") == .ok) }
        _ = try attacker.allEvents()
        let before = try victim.growth
        for _ in 0..<200 {
            let requests = (0..<100).map { Message(.write, "/same\0v", number: UInt32($0)) }
            try victim.client.send(requests.flatMap(\.bytes))
            for request in requests { #expect(try victim.client.answer(to: request) == .ok) }
        }
        #expect(try victim.growth - before < 1024)
        #expect(try attacker.ask(.write, "/same\0last") == .ok)
        #expect(Set(attacker.takeEvents()).count == 20)
    }
}
