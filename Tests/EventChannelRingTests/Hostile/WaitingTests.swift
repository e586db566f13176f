// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import Testing
    import TestSupport

    /// How long a client of dom0 waits because of what guests ask for. `make hostile` shows the figures of a release
    /// build, also with a hundred guests: they are times by the clock, good on a quiet machine only.
    @Suite(.slow, .serialized) struct WaitingTests {
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
            let waits = try field.longestWaits(under: attack, by: 3, rounds: 2)
            #expect(waits.host < .milliseconds(250), "a READ of dom0 has waited for \(waits.host)")
            #expect(waits.guest < .milliseconds(500), "a WRITE of another guest has waited for \(waits.guest)")
        }

        @Test(.enabled(if: getenv("HOSTILE") != nil), arguments: storages)
        func everyAttackIsMeasured(storage: String) throws {
            print("\nmilliseconds that a READ of dom0, and a WRITE of a guest, wait at most, storage \(storage)")
            print("1 hostile guest         10              100            none")
            // HOSTILE may be a part of an attack's name: only such are tried.
            let wanted = getenv("HOSTILE").map { String(cString: $0) } ?? ""
            for attack in Attack.all where attack.testDescription.contains(wanted) || wanted == "1" {
                let field = try Field(storage: storage)
                var waits = try [1, 10, 100].map { try field.longestWaits(under: attack, by: $0, rounds: 5) }
                waits.append(try field.longestWaits(under: nil, by: 0, rounds: 5))
                let columns = waits.map { milliseconds($0.host) + milliseconds($0.guest) }
                print(columns.joined(separator: "  "), attack.testDescription)
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
        private let innocent: RingGuest
        private var guests: [RingGuest] = []

        init(storage: String) throws {
            host = try Host(FakeXen(), storage: storage)
            innocent = try host.introducedGuest(1000)
        }

        private func guests(_ count: Int) throws -> [RingGuest] {
            while guests.count < count {
                let guest = try host.introducedGuest(UInt16(guests.count + 1))
                try guest.expectOK(.watch, "/local/domain/\(guest.domain)\0home\0")
                guests.append(guest)
            }
            return Array(guests.prefix(count))
        }

        struct Waits {
            /// Of a READ of dom0.
            var host = Duration.zero
            /// Of a WRITE of a guest that writes now and then.
            var guest = Duration.zero
        }

        /// The longest waits while the guests' requests are carried out: the best of some rounds, as others use this
        /// machine, too.
        func longestWaits(under attack: Attack?, by count: Int, rounds: Int) throws -> Waits {
            let all = try (0..<rounds).map { _ in try round(attack, count) }
            return Waits(host: all.map(\.host).min() ?? .zero, guest: all.map(\.guest).min() ?? .zero)
        }

        private func round(_ attack: Attack?, _ count: Int) throws -> Waits {
            let attackers = try guests(count)
            var requests: [Message] = []
            for guest in attackers {
                _ = try guest.ask(.rm, "w\0")
                _ = try guest.ask(.rm, "d\0")
                if let attack { requests.append(try attack.prepare(guest, host.tool)) }
            }
            for (guest, request) in zip(attackers, requests) { try guest.send(request.bytes) }
            var left = attackers
            var longest = Waits()
            var rounds = 0
            let clock = ContinuousClock()
            var written = clock.now
            while !left.isEmpty || rounds < 50 {
                rounds += 1
                longest.host = max(longest.host, try clock.measure { _ = try host.tool.ask(.read, "/tool\0") })
                if rounds == 1 || clock.now - written > .milliseconds(5) {
                    longest.guest = max(longest.guest, try clock.measure { try innocent.expectOK(.write, "own\0x") })
                    written = clock.now
                }
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
