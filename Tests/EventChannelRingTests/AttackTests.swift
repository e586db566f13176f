// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import Testing
    import TestSupport

    /// What a guest can do with a page and an event channel of its own: harm itself.
    @Suite struct AttackTests {
        let host: Host

        init() throws { host = try Host() }

        /// The daemon lives, others are served, and the guest can be served again.
        private func expectUnharmed(_ guest: RingGuest, _ place: SourceLocation = #_sourceLocation) throws {
            #expect(try host.tool.ask(.getDomainPath, "5\0") == .data("/local/domain/5\0"), sourceLocation: place)
            #expect(try host.isIntroduced(guest.domain), sourceLocation: place)
            #expect(try host.introduce(guest) == .ok, sourceLocation: place)
            guest.forgetReceived()
            #expect(guest[.error] == 0, sourceLocation: place)
            #expect(try guest.ask(.write, "a\0b") == .ok, sourceLocation: place)
        }

        private static let wild: [UInt32] = [
            0, 1, 15, 16, 17, 1023, 1024, 1025, 2047, 2048, 1 << 31 - 1, 1 << 31, 1 << 31 + 1, .max - 1024, .max - 1023,
            .max - 1, .max,
        ]

        @Test func wildRequestIndexesHarmNobody() throws {
            let guest = try host.introducedGuest(5)
            for consumer in Self.wild {
                for producer in Self.wild {
                    // Zeros are requests without a payload: CONTROL, which is refused.
                    for index in 0..<UInt32(RingGuest.ringSize) { guest.poke(0, at: index) }
                    guest[.requestConsumer] = consumer
                    guest[.requestProducer] = producer
                    try host.notifyAndSettle(guest)
                    #expect(guest[.error] == (producer &- consumer > 1024 ? 2 : 0), "\(consumer) \(producer)")
                    try expectUnharmed(guest)
                }
            }
        }

        @Test func wildReplyIndexesHarmNobody() throws {
            let guest = try host.introducedGuest(5)
            for consumer in Self.wild {
                for producer in Self.wild {
                    guest[.replyConsumer] = consumer
                    guest[.replyProducer] = producer
                    _ = guest.put(Message(.read, "a\0").bytes[...])
                    try host.notifyAndSettle(guest)
                    #expect(guest[.error] == (producer &- consumer > 1024 ? 2 : 0), "\(consumer) \(producer)")
                    try expectUnharmed(guest)
                }
            }
        }

        @Test func aBrokenRingIsNotTouchedAnyMore() throws {
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.watch, "a\0token\0") == .ok)
            guest[.requestProducer] = guest[.requestConsumer] &+ 1025
            try host.notifyAndSettle(guest)
            #expect(guest[.error] == 2)
            _ = guest.take()
            guest.setIndexes(0)
            _ = guest.put(Message(.read, "a\0").bytes[...])
            for _ in 0..<10 { try host.notifyAndSettle(guest) }
            #expect(try host.tool.ask(.write, "/local/domain/5/a\0b") == .ok)
            #expect(guest.take() == [])
            #expect(guest[.requestConsumer] == 0)
            try host.watch("@releaseDomain", "out")
            try host.kill(5)
            #expect(try host.tool.allEvents() == [Event("@releaseDomain", "out")], "its end is told all the same")
        }

        @Test func onlyAGuestWithTheFeatureGetsTheErrorWord() throws {
            let guest = try host.guest(5)
            #expect(try host.tool.ask(.setFeature, "5\013\0") == .ok)
            #expect(try host.introduce(guest) == .ok)
            guest[.requestProducer] = 5000
            try host.notifyAndSettle(guest)
            #expect(guest[.error] == 0)
            try expectUnharmed(guest)
        }

        @Test(arguments: [4097, 5000, 65536, 1 << 31, UInt32.max])
        func anOversizedMessageEndsTheService(length: UInt32) throws {
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.write, "a\0b") == .ok)
            let request = Message(.read, "a\0", number: 7)
            _ = guest.put((request.bytes + Message.header(.write, 8, 0, length: length))[...])
            try host.notifyAndSettle(guest)
            #expect(try guest.answer(to: request) == .data("b"), "what came before is answered")
            #expect(guest[.error] == 3)
            try expectUnharmed(guest)
        }

        @Test func theLargestMessageIsServed() throws {
            let guest = try host.introducedGuest(5)
            let payload = [UInt8](repeating: UInt8(ascii: "x"), count: 4096)
            #expect(try guest.ask(.read, bytes: payload) == .EINVAL)
            #expect(guest[.error] == 0)
        }

        /// The daemon has seen a header; the guest then writes another one over it.
        @Test func aLengthThatChangesAfterTheReadHarmsNobody() throws {
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.write, "a\0b") == .ok)
            for length: UInt32 in [0, 1, 3, 4096, 4097, 65536, .max] {
                let request = Message(.read, "a\0", number: 3)
                let start = guest[.requestProducer]
                #expect(guest.put(request.bytes[..<16]) == 16)
                try host.notifyAndSettle(guest)
                for (index, byte) in zip(UInt32(0)..., Message.header(.write, 9, 0, length: length)) {
                    guest.poke(byte, at: start &+ index)
                }
                _ = guest.put(request.bytes[16...])
                try guest.notify()
                #expect(try guest.answer(to: request) == .data("b"))
                #expect(guest[.error] == 0)
            }
        }

        /// A guest on another processor changes its whole page while the daemon reads it.
        @Test func aPageThatAlwaysChangesHarmsNobody() throws {
            let guest = try host.introducedGuest(5)
            var random = Randomness(seed: 20)
            for round in 0..<300 {
                for _ in 0..<64 {
                    let index: UInt32 = random.next() % 1024
                    guest.poke(UInt8(truncatingIfNeeded: random.next()), at: index)
                    guest[RingGuest.Word.allCases[Int(random.next() % 8)]] = random.next()
                    try guest.notify()
                    guest[.requestProducer] = guest[.requestConsumer] &+ random.next() % 1024
                    guest[.connection] = random.next() % 2
                    try guest.notify()
                }
                if round % 50 == 0 { try expectUnharmed(guest) }
            }
            guest[.connection] = 0
            try expectUnharmed(guest)
            #expect(try host.tool.ask(.control, "check\0") == .ok)
        }

        @Test func aStormOfEventsStopsNobody() throws {
            let guest = try host.introducedGuest(5)
            let other = try host.introducedGuest(6)
            #expect(try other.ask(.write, "a\0b") == .ok)
            for _ in 0..<20_000 { try guest.notify() }
            for _ in 0..<500 {
                for _ in 0..<20 { try guest.notify() }
                #expect(try other.ask(.read, "a\0") == .data("b"))
            }
            try expectUnharmed(guest)
        }

        @Test(arguments: 0..<12)
        func aDeathAtAnyStageLeavesNothing(of stage: Int) throws {
            let guest = try host.introducedGuest(5)
            let other = try host.introducedGuest(6)
            #expect(try guest.ask(.write, "a\0b") == .ok)
            #expect(try guest.ask(.watch, "a\0token\0") == .ok)
            if stage > 0 { #expect(try guest.ask(.transactionStart, "\0") == .data("1\0")) }
            if stage > 1 { #expect(try guest.ask(.write, "c\0d", in: 1) == .ok) }
            // From here on the guest's requests, its end and the toolstack's work come all at once.
            let request = Message(.write, Array("a\0".utf8) + [UInt8](repeating: 1, count: 500))
            if stage > 2 { _ = guest.put(request.bytes[..<((stage - 2) * 51)]) }
            if stage % 2 == 1 { try guest.notify() }
            let commit = Message(.transactionEnd, "T\0", number: 5, transaction: 1)
            if stage > 9 { _ = guest.put(commit.bytes[...]) }
            host.xen.remove(5)
            try host.xen.tellOfDomains()
            try guest.notify()
            let write = Message(.write, "/local/domain/5/a\0c", number: 77)
            try host.tool.send(write)
            #expect(try host.tool.answer(to: write) == .ok)
            try host.expectEventually { try !host.isIntroduced(5) }
            #expect(try other.ask(.write, "a\0b") == .ok)
            #expect(try host.tool.ask(.control, "check\0") == .ok)
            // The number is free for another.
            _ = try host.tool.ask(.rm, "/local/domain/5\0")
            let next = try host.introducedGuest(5)
            #expect(try next.ask(.read, "a\0") == .ENOENT)
        }
    }
#endif
