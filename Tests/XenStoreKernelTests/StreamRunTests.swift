// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

import struct TestSupport.Randomness

@testable import XenStoreEngine
@testable import XenStoreKernel

/// Long runs of a guest's requests, with daemons that die all the time: the guest is answered what it
/// would have been by one that lives.
@Suite struct StreamRunTests {
    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func theAnswersAreThoseOfADaemonThatLives(seed: UInt64) throws {
        var random = Randomness(seed: seed)
        let requests = Self.requests(by: &random)
        let expected = try Self.run(requests)
        let found = try Self.run(requests, deaths: seed)
        #expect(found.answers == expected.answers)
        #expect(found.tree == expected.tree)
    }

    private static func requests(by random: inout Randomness) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in 1...UInt32(120) {
            let path = "\(random.next() % 3)/\(random.next() % 4)"
            let (operation, payload): (Operation, String) =
                switch random.next() % 10 {
                case 0, 1, 2: (.write, "\(path)\u{0}\(number)")
                case 3: (.write, "\(path)\u{0}" + String(repeating: "\(number)", count: 700))
                case 4, 5: (.remove, "\(path)\u{0}")
                case 6: (.makeDirectory, "\(path)/m\(number)\u{0}")
                case 7: (.directory, "\(random.next() % 3)\u{0}")
                default: (.read, "\(path)\u{0}")
                }
            bytes += Message.bytes(operation.rawValue, request: number, transaction: 0, Array(payload.utf8))
        }
        return bytes
    }

    /// The guest puts its requests, in pieces that a ring holds; with a seed, daemons die on the way.
    private static func run(_ requests: [UInt8], deaths seed: UInt64? = nil) throws
        -> (answers: [Message], tree: Contents)
    {
        var random = Randomness(seed: seed ?? 0)
        let storage = FailingStorage()
        let page = Page()
        var host = try EmbeddedHost(storage: storage)
        var guest = PageTransport(page, host)
        let dom0 = host.caller(0)
        dom0.makeHome(of: 5)
        #expect(dom0.introduce(5) == .ok)

        page.put(requests)
        var rounds = 0
        while (page.messages?.count ?? 120) < 120, rounds < 10_000 {
            rounds += 1
            if seed != nil {
                page.room = Int(random.next() % 1025)
                if random.next() % 3 == 0 { guest.death = PageTransport.Death.allCases[Int(random.next() % 4)] }
            }
            guest.take(seed == nil ? 1024 : 1 + Int(random.next() % 1024))
            guest.makeRoom()
            if guest.death != .beforeCommit { host.settle() }
            if guest.death == nil { continue }
            host = try EmbeddedHost(storage: storage)
            guest = PageTransport(page, host)
        }
        return (try #require(page.messages), Contents(of: host.engine.kernel.store))
    }
}
