// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import Testing
    import TestSupport

    /// How long a client of dom0 waits because of what guests ask for. `make hostile` shows the figures of a release
    /// build, also with a hundred guests: they are times by the clock, good on a quiet machine only.
    @Suite(.serialized) struct WaitingTests {
        static var storages: [String] {
            #if TDB
                ["memory", "tdb"]
            #else
                ["memory"]
            #endif
        }

        /// No bound for a busy machine and a daemon built for debugging; what was found here took seconds.
        @Test(arguments: Attack.all, storages)
        func nobodyWaitsForAGuestsRequest(attack: Attack, storage: String) throws {
            let field = try Field(storage: storage)
            let wait = try field.longestWait(under: attack, by: 3, rounds: 2)
            #expect(wait < .milliseconds(250), "a READ of dom0 has waited for \(wait)")
        }

        @Test(.enabled(if: getenv("HOSTILE") != nil), arguments: storages)
        func figures(storage: String) throws {
            print("\nmilliseconds that a READ of dom0 waits at most, storage \(storage)")
            print("1 guest    10  100   alone  attack")
            // HOSTILE may be a part of an attack's name: only such are tried.
            let wanted = getenv("HOSTILE").map { String(cString: $0) } ?? ""
            for attack in Attack.all where attack.testDescription.contains(wanted) || wanted == "1" {
                let field = try Field(storage: storage)
                let waits = try [1, 10, 100].map { try field.longestWait(under: attack, by: $0, rounds: 5) }
                let alone = try field.longestWait(under: nil, by: 0, rounds: 5)
                print((waits + [alone]).map(milliseconds).joined(), attack.testDescription)
            }
        }

        private func milliseconds(_ duration: Duration) -> String {
            let text = "\((duration / .microseconds(10)).rounded() / 100)"
            return String(repeating: " ", count: max(0, 7 - text.utf8.count)) + text
        }
    }

    /// A host with guests who may turn on it.
    final class Field {
        private let host: Host
        private var guests: [RingGuest] = []

        init(storage: String) throws {
            host = try Host(FakeXen(), storage: storage)
        }

        private func guests(_ count: Int) throws -> [RingGuest] {
            while guests.count < count {
                let guest = try host.introducedGuest(UInt16(guests.count + 1))
                try guest.expectOK(.watch, "/local/domain/\(guest.domain)\0home\0")
                guests.append(guest)
            }
            return Array(guests.prefix(count))
        }

        /// The longest wait of a READ while the guests' requests are carried out: the best of some rounds, as others
        /// use this machine, too.
        func longestWait(under attack: Attack?, by count: Int, rounds: Int) throws -> Duration {
            try (0..<rounds).map { _ in try round(attack, count) }.min() ?? .zero
        }

        private func round(_ attack: Attack?, _ count: Int) throws -> Duration {
            let attackers = try guests(count)
            var requests: [Message] = []
            for guest in attackers {
                _ = try guest.ask(.rm, "w\0")
                _ = try guest.ask(.rm, "d\0")
                if let attack { requests.append(try attack.prepare(guest, host.tool)) }
            }
            for (guest, request) in zip(attackers, requests) { try guest.send(request.bytes) }
            var left = attackers
            var longest = Duration.zero
            var reads = 0
            while !left.isEmpty || reads < 50 {
                reads += 1
                let before = ContinuousClock.now
                _ = try host.tool.ask(.read, "/tool\0")
                longest = max(longest, ContinuousClock.now - before)
                left = try left.filter { try !hasAnswered($0) }
            }
            for guest in attackers { _ = try guest.ask(.resetWatches, "\0") }
            for guest in attackers { try guest.expectOK(.watch, "/local/domain/\(guest.domain)\0home\0") }
            return longest
        }

        private func hasAnswered(_ guest: RingGuest) throws -> Bool {
            while let message = try guest.receiveAtOnce() {
                if message.op != .watchEvent { return true }
            }
            return false
        }
    }
#endif
