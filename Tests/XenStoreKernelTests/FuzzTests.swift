// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

import struct TestSupport.Randomness

@testable import XenStoreKernel

/// Random requests of dom0 and several guests, mostly valid and about few paths: whatever comes, each
/// has one reply, in order, and the daemon stays sound.
@Suite struct FuzzTests {
    @Test(arguments: 1...16 as ClosedRange<UInt64>, [false, true])
    func eachRequestHasOneReply(seed: UInt64, stores: Bool) throws {
        var run = try FuzzRun(seed: seed, storage: stores ? FailingStorage() : nil)
        for _ in 0..<250 { run.turn() }
        run.finish()
    }
}

private struct FuzzRun {
    /// A client, and the numbers of its requests that were not answered yet.
    struct Client {
        var caller: Caller
        var expected: [UInt32] = []
        var next: UInt32 = 1
    }

    let house: House
    let seed: UInt64
    var random: Randomness
    var clients: [Client]
    var turns = 0

    init(seed: UInt64, storage: FailingStorage?) throws {
        let house = try House(
            limits: [.nodes: 12, .watches: 5, .transactions: 3, .transactionNodes: 20, .memory: 6000, .nodeSize: 200],
            storage: storage)
        self.house = house
        self.seed = seed
        random = Randomness(seed: seed)
        clients = ([0, 0, 1, 2, 3] as [UInt16]).map { Client(caller: house.guest($0)) }
    }

    var note: String { "seed \(seed), turn \(turns)" }

    mutating func turn() {
        turns += 1
        house.storage?.isFailing = Int.random(in: 0..<6, using: &random) == 0
        for _ in 0..<Int.random(in: 1...6, using: &random) { send(Int.random(in: 0..<clients.count, using: &random)) }
        if Int.random(in: 0..<25, using: &random) == 0 { replace(Int.random(in: 0..<clients.count, using: &random)) }
        house.host.settle()
        for at in clients.indices {
            // Some read only a little, and some not at all for a while.
            let appetite = [nil, nil, 0, 1, 50].randomElement(using: &random) ?? nil
            clients[at].caller.client.resume(appetite: appetite)
            house.host.settle()
            take(at)
        }
        if Int.random(in: 0..<40, using: &random) == 0 { house.host.advance(milliseconds: 20_000) }
        if turns % 10 == 0 { house.expectSound(note) }
    }

    /// Compares what has come with what is expected next.
    private mutating func take(_ at: Int) {
        let messages = clients[at].caller.client.takeMessages()
        #expect(messages.allSatisfy { $0.payload.count <= 4096 }, "\(note)")
        let numbers = messages.filter { !$0.isEvent }.map(\.header.request)
        #expect(Array(clients[at].expected.prefix(numbers.count)) == numbers, "\(note): client \(at)")
        clients[at].expected.removeFirst(min(numbers.count, clients[at].expected.count))
    }

    /// The client vanishes, and another comes.
    private mutating func replace(_ at: Int) {
        let domain = clients[at].caller.session.peer.domain.rawValue
        clients[at].caller.client.hangUp()
        clients[at] = Client(caller: house.caller(domain))
    }

    private mutating func send(_ at: Int) {
        let numbers = Array(0...28) + [11, 11, 11, 12, 13, 13, 14, 4, 6, 6, 7, 7, 7, 2, 1]
        let number = UInt32(numbers.randomElement(using: &random) ?? 2)
        let payload = Array(self.payload(number).utf8)
        let last = clients[at].caller.session.lastTransaction
        let transaction: UInt32 = Bool.random(using: &random) ? 0 : UInt32.random(in: 0...(last + 1), using: &random)
        clients[at].expected.append(clients[at].next)
        clients[at].caller.client.send(number, request: clients[at].next, transaction: transaction, payload)
        clients[at].next += 1
    }

    private mutating func payload(_ number: UInt32) -> String {
        if Int.random(in: 0..<20, using: &random) == 0 { return junk() }
        let path = path()
        return switch Operation(rawValue: number) {
        case .write: "\(path)\0\(String(repeating: "v", count: [0, 5, 150, 190].randomElement(using: &random) ?? 0))"
        case .setPermissions:
            "\(path)\0" + (0..<Int.random(in: 1...3, using: &random)).map { _ in permission() }.joined()
        case .watch, .unwatch: "\(path)\0\(["t", "u"].randomElement(using: &random) ?? "t")\0"
        case .directoryPart: "\(path)\0\(Int.random(in: -1...20, using: &random))\0"
        case .transactionEnd: Int.random(in: 0..<4, using: &random) == 0 ? "F\0" : "T\0"
        case .control: ["help\0", "check\0", "quota\0", "quota\01\0", "log\0"].randomElement(using: &random) ?? ""
        case .setTarget: "\(UInt16.random(in: 0...3, using: &random))\0\(UInt16.random(in: 0...3, using: &random))\0"
        // Limits stay as they are, and the one RESET_WATCHES in thirty is enough.
        case .setQuota: "none\01\0"
        case .getDomainPath, .isDomainIntroduced, .release, .resume: "\(UInt16.random(in: 0...5, using: &random))\0"
        default: "\(path)\0"
        }
    }

    private mutating func path() -> String {
        let start = ["", "/local/domain/1/", "/local/domain/2/", "/", "@"].randomElement(using: &random) ?? ""
        if start == "@" { return ["@releaseDomain", "@introduceDomain", "@x"].randomElement(using: &random) ?? "" }
        let depth = Int.random(in: 1...3, using: &random)
        return start + (0..<depth).map { _ in ["a", "b"].randomElement(using: &random) ?? "a" }.joined(separator: "/")
    }

    private mutating func permission() -> String {
        "\(["n", "r", "w", "b"].randomElement(using: &random) ?? "n")\([0, 1, 2, 3, 32757].randomElement(using: &random) ?? 0)\0"
    }

    private mutating func junk() -> String {
        let letters = Array("\0\0/@ab01TF-rw\u{7f} ")
        return String(
            (0..<Int.random(in: 0...12, using: &random)).map { _ in letters.randomElement(using: &random) ?? "a" })
    }

    mutating func finish() {
        house.storage?.isFailing = false
        for _ in 0..<200 where clients.contains(where: { !$0.expected.isEmpty }) {
            for at in clients.indices {
                clients[at].caller.client.resume()
                house.host.settle()
                take(at)
            }
        }
        for client in clients {
            #expect(
                client.expected.isEmpty,
                "\(note): \(client.expected.count) without an answer, \(client.caller.session.state)")
            client.caller.client.hangUp()
        }
        house.host.settle()
        house.expectSound(note)
        #expect(house.store.history.snapshots.isEmpty, "\(note)")
        #expect(house.store.history.versionCount == 0, "\(note)")
        #expect(house.store.nodes.used == house.store.count, "\(note)")
        #expect(house.watchCount == 0, "\(note)")
        for domain in 0...3 as ClosedRange<UInt16> { #expect(house.usage(domain).outstanding == 0, "\(note)") }
    }
}
