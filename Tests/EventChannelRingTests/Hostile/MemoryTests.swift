// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import Testing
    import TestSupport

    /// How much memory a guest can make the daemon take, with the default quotas: at most twice what they allow.
    @Suite(.slow) struct MemoryTests {
        struct Flood: CustomTestStringConvertible, Sendable {
            let testDescription: String
            let request: @Sendable (RingGuest, Int, UInt32) throws -> Void
            var isInTransaction = true
        }

        private static let value = String(repeating: "v", count: 2000)

        static let floods = [
            Flood(testDescription: "writes of 4,000 bytes in a transaction, each refused") { guest, _, transaction in
                _ = try guest.ask(.write, "n\0" + value + value, in: transaction)
            },
            Flood(testDescription: "reads of new paths in a transaction") { guest, number, transaction in
                _ = try guest.ask(.read, "none/\(number)\0", in: transaction)
            },
            Flood(testDescription: "writes in a transaction beyond its quotas") { guest, number, transaction in
                _ = try guest.ask(.write, "n\(number)\0" + value, in: transaction)
            },
            Flood(testDescription: "deep nodes that come and go in a transaction") { guest, number, transaction in
                _ = try guest.ask(
                    number % 2 == 0 ? .mkdir : .rm, number % 2 == 0 ? "\(Attack.deep)\0" : "d\0", in: transaction)
            },
            Flood(
                testDescription: "own nodes written again and again under open transactions",
                request: { guest, number, _ in
                    if number % 1000 == 0 { _ = try guest.ask(.transactionStart, "\0") }
                    _ = try guest.ask(.write, "n\(number % 1000)\0" + value)
                }, isInTransaction: false),
            Flood(
                testDescription: "watches that come and go",
                request: { guest, number, _ in
                    _ = try guest.ask(.watch, "n\0\(number)\0")
                    if number % 50 == 0 { _ = try guest.ask(.resetWatches, "\0") }
                }, isInTransaction: false),
            Flood(
                testDescription: "all the nodes, watches and transactions that there may be",
                request: { guest, number, _ in
                    _ = try guest.ask(.write, "n\(number)\0" + value)
                    _ = try guest.ask(.watch, "n\(number)\0" + String(repeating: "t", count: 1000) + "\0")
                    if let transaction = try? guest.start() {
                        _ = try guest.ask(.write, "m\(number)\0" + value, in: transaction)
                    }
                }, isInTransaction: false),
        ]

        /// Bytes that a guest may have kept: memory and event-memory.
        private static let allowed = 2_621_440 + 262_144

        @Test(arguments: floods)
        func aFloodStaysWithinTwiceTheQuotas(flood: Flood) throws {
            let growth = try growth(under: flood, requests: 6000)
            #expect(growth <= 2 * MemoryTests.allowed, "the daemon has grown by \(growth) bytes")
        }

        @Test(.enabled(if: getenv("HOSTILE") != nil))
        func everyFloodIsMeasured() throws {
            print("\nresident memory that one guest adds in kB; its quotas allow \(MemoryTests.allowed / 1000)")
            for flood in MemoryTests.floods {
                print("\(try growth(under: flood, requests: 60_000) / 1000)\t\(flood.testDescription)")
            }
        }

        private func growth(under flood: Flood, requests: Int) throws -> Int {
            let host = try Host()
            let guest = try host.introducedGuest(5)
            _ = try guest.ask(.write, "n\0v")
            let before = try host.daemon.residentMemory
            let transaction = flood.isInTransaction ? try guest.start() : 0
            for number in 0..<requests { try flood.request(guest, number, transaction) }
            #expect(try host.tool.ask(.read, "/tool\0") == .data(""))
            return (try host.daemon.residentMemory - before) * 1024
        }
    }
#endif
