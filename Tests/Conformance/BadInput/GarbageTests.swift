// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// Bytes that nobody in his right mind would send.
@Suite struct GarbageTests {
    let victim: Victim

    init() throws { victim = try Victim() }

    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func survivesRandomBytes(seed: UInt64) throws {
        var random = Randomness(seed: seed)
        for round in 0..<100 {
            let attacker = try round % 4 == 0 ? victim.daemon.connectReadOnly() : victim.daemon.connect()
            _ = attacker.trySend(random.bytes(random.number(1...5000))[...])
        }
        try victim.isUnharmed()
    }

    /// Good frames with anything in them: one reply each, in order, however absurd.
    @Test(arguments: [11, 12, 13, 14] as [UInt64]) func answersAbsurdRequestsOnce(seed: UInt64) throws {
        var random = Randomness(seed: seed)
        let attacker = try victim.daemon.connect()
        for _ in 0..<30 {
            let requests = (0..<100).map { _ in absurdRequest(&random) }
            try attacker.send(requests.flatMap(\.bytes))
            for request in requests { _ = try attacker.answer(to: request) }
        }
        #expect(try victim.client.ask(.control, "check\0") == .ok)
        try victim.servesOthersPromptly()
    }

    private func absurdRequest(_ random: inout Randomness) -> Message {
        let words = [
            "/", "/a", "/a/b", "//", "a", "\0", "\0", "\0", "@releaseDomain", "@", "0", "1", "-1", "65536",
            "4294967295",
            "n0", "r5", "b32757", "T", "F", "check", "quota", "set", "max", "nodes", "help", "99999999999999999999",
            " ",
            String(repeating: "/d", count: 200), String(repeating: "x", count: 1000), "\u{7f}", "é",
        ]
        var payload: [UInt8] = []
        for _ in 0..<random.number(0...6) {
            payload += random.any(of: words).utf8
            if random.once(in: 2) { payload.append(0) }
        }
        if random.once(in: 10) { payload = random.bytes(random.number(0...4096)) }
        let type = random.once(in: 20) ? UInt32.random(in: 0 ... .max, using: &random) : UInt32(random.number(0...30))
        return Message(
            Op(rawValue: type), Array(payload.prefix(4096)), number: UInt32.random(in: 0 ... .max, using: &random),
            transaction: random.once(in: 2) ? 0 : UInt32(random.number(0...4)))
    }

    /// Half a message, and then the client is gone.
    @Test func survivesTruncatedFrames() throws {
        for request in Valid.requests {
            let bytes = request.bytes
            for length in stride(from: 1, to: bytes.count, by: 3) {
                try victim.daemon.connect().send(Array(bytes[..<length]))
            }
        }
        try victim.isUnharmed()
    }

    /// XSA-420.
    @Test(arguments: [4097, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] as [UInt32])
    func survivesHugeLengths(length: UInt32) throws {
        for type in 0...UInt32(30) {
            let attacker = try victim.daemon.connect()
            try attacker.send(Message.header(Op(rawValue: type), 0, 0, length: length))
            // It may be closed before all of that has been sent.
            _ = attacker.trySend([UInt8](repeating: 0x61, count: 10_000)[...])
            #expect(try attacker.receive() == nil)
        }
        try victim.isUnharmed()
    }

    @Test func servesOthersWhileHalfAHeaderHasCome() throws {
        let attackers = try (1..<16).map { length in
            let attacker = try victim.daemon.connect()
            try attacker.send(Array(Message(.read, "/tool\0").bytes[..<length]))
            return attacker
        }
        try victim.servesOthersPromptly()
        for (length, attacker) in zip(1..., attackers) {
            try attacker.send(Array(Message(.read, "/tool\0").bytes[length...]))
            #expect(try attacker.receive()?.payload == [])
        }
    }

    @Test func servesOthersWhileAPayloadTrickles() throws {
        let attacker = try victim.daemon.connect()
        let bytes = Message(.write, "/slow\0" + String(repeating: "v", count: 4000)).bytes
        for chunk in stride(from: 0, to: bytes.count, by: 50) {
            try attacker.send(Array(bytes[chunk..<min(chunk + 50, bytes.count)]))
            #expect(try victim.client.ask(.getDomainPath, "1\0") == .data("/local/domain/1\0"))
        }
        #expect(try attacker.receive()?.payload == Array("OK\0".utf8))
    }
}
