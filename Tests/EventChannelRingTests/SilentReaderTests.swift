// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Testing
    import TestSupport
    import XenStorePlugin

    @testable import EventChannelRing

    /// Guests that take what they are sent and tell nobody, as hvmloader does: it waits for the daemon's
    /// event when there is nothing to take, and sends none itself when it has made room.
    @Suite struct SilentReaderTests {
        let host: Host
        let value = (0..<2000).map { UInt8(truncatingIfNeeded: $0 &* 7) }

        init() throws { host = try Host() }

        /// A guest that has asked for a value of 2000 bytes, of which its ring holds the half.
        private func askingGuest(_ domain: UInt16) throws -> (guest: RingGuest, request: Message) {
            let guest = try host.introducedGuest(domain)
            #expect(try guest.ask(.write, bytes: Array("a\0".utf8) + value) == .ok)
            let request = Message(.read, "a\0", number: 9)
            _ = guest.put(request.bytes[...])
            try host.notifyAndSettle(guest)
            #expect(guest[.replyProducer] &- guest[.replyConsumer] == 1024, "the ring is full")
            return (guest, request)
        }

        @Test(arguments: [1, 7, 1023, 1024]) func aSilentReaderGetsALongReply(atOnce count: Int) throws {
            let (guest, request) = try askingGuest(5)
            #expect(try guest.answerSilently(to: request, atOnce: count).bytes == value)
        }

        /// Also when it takes long over it, and others are served meanwhile.
        @Test func aSlowReaderGetsItsWholeReply() throws {
            let (guest, request) = try askingGuest(5)
            for _ in 0..<200 { #expect(try host.tool.ask(.getDomainPath, "5\0") == .data("/local/domain/5\0")) }
            #expect(try guest.answerSilently(to: request, atOnce: 500).bytes == value)
        }

        /// It reads on while many others never do.
        @Test func aReaderGetsItsReplyBesideOthersThatNeverRead() throws {
            let stuck = try (100..<300).map { try askingGuest($0) }
            let (guest, request) = try askingGuest(5)
            for _ in 0..<10 {
                #expect(try guest.answerSilently(to: request, atOnce: 1024).bytes == value)
                _ = guest.put(request.bytes[...])
                try guest.notify()
            }
            // Those have been left alone for longer, and are sent on all the same.
            for (other, request) in stuck[..<3] {
                #expect(try other.answerSilently(to: request, atOnce: 1024).bytes == value)
            }
        }

        /// What it had not read is gone with it: nothing is sent on to the one that begins anew.
        @Test func aReintroducedReaderGetsNoOldReplies() throws {
            let (guest, _) = try askingGuest(5)
            #expect(try host.introduce(guest) == .ok)
            guest.forgetReceived()
            let request = Message(.read, "a\0", number: 10)
            _ = guest.put(request.bytes[...])
            try guest.notify()
            #expect(try guest.answerSilently(to: request, atOnce: 100).bytes == value)
            #expect(guest.take() == [])
        }

        /// Its page is unmapped, and not looked at any more.
        @Test func aReaderMayDieDuringTheWait() throws {
            _ = try askingGuest(5)
            try host.kill(5)
            let (next, request) = try askingGuest(5)
            #expect(try next.answerSilently(to: request, atOnce: 100).bytes == value)
        }

        /// Events, too, are sent on.
        @Test func aSilentReaderGetsAllEvents() throws {
            let guest = try host.introducedGuest(5)
            let token = String(repeating: "t", count: 500)
            #expect(try guest.ask(.watch, "w\0\(token)\0") == .ok)
            #expect(try guest.allEvents().count == 1)
            for index in 0..<10 { #expect(try host.tool.ask(.write, "/local/domain/5/w/\(index)\0v") == .ok) }
            for index in 0..<10 {
                #expect(try Event(guest.receiveSilently(atOnce: 1024)) == Event("w/\(index)", token))
            }
        }
    }

    /// What rings cost whose readers never read.
    @Suite struct PatienceTests {
        /// The moments at which a ring is looked at that became full at some moment, until a minute later.
        private func looks(from start: Moment) -> [Moment] {
            var moments: [Moment] = []
            var patience = Patience()
            var now = start
            while now < start.advanced(byMilliseconds: 60_000) {
                now = patience.end(from: now)
                moments.append(now)
                patience = patience.longer
            }
            return moments
        }

        @Test func theWaitGrowsUpToASecond() {
            let looks = looks(from: Moment(nanoseconds: 1_234_567_891))
            let pauses = zip(looks, looks.dropFirst()).map { $1.nanoseconds - $0.nanoseconds }
            #expect(looks[0].nanoseconds - 1_234_567_891 <= 1_250_000)
            #expect(zip(pauses, pauses.dropFirst()).prefix(9).allSatisfy { $1 > $0 }, "\(pauses)")
            #expect(pauses.allSatisfy { $0 <= 1_280_000_000 })
            #expect(looks.count < 75)
        }

        /// Ten thousand are looked at together a few times a second.
        @Test func manyWakeTheDaemonAsOneDoes() {
            let all = (0..<10_000 as Range<UInt64>).map {
                looks(from: Moment(nanoseconds: 5_000_000_000 + $0 * 321_987))
            }
            // From when the last of them has been full for long.
            let late = Set(all.joined().filter { $0.nanoseconds > 15_000_000_000 && $0.nanoseconds < 55_000_000_000 })
            #expect(late.count <= 40 * 4)
        }
    }
#endif
