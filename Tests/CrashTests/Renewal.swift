// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// Guests that begin anew over their rings: by themselves, as a kernel does that takes over from another, or
    /// because the toolstack introduces them again. Whatever they had asked for is then done or not, in order;
    /// their watches and transactions are gone.
    final class Renewal {
        private struct Guest {
            let ring: RingGuest
            let actor: Actor
            /// It takes no notice of its ring until that begins anew.
            var way: Way?
        }
        enum Way { case reconnection, introduction }

        private var guests: [Guest] = []

        func add(_ ring: RingGuest) {
            guests.append(
                Guest(ring: ring, actor: .guest(ring, [SpecialWatchWork(), ResetWork()])))
        }

        /// Those that are at work.
        var actors: [Actor] { guests.filter { $0.way == nil }.map(\.actor) }

        /// One begins anew, and goes on at once or after the daemon's death.
        func work(_ daemon: CrashDaemon, _ random: inout Randomness) throws {
            let index = random.number(0...guests.count - 1)
            if guests[index].way != nil { return }
            let tool = try daemon.connect()
            try begin(index, random.any(of: [.reconnection, .introduction]), by: tool)
            if random.once(in: 2) { try finish(index, by: try daemon.connect()) }
        }

        /// A guest begins anew, and takes no notice of its ring any more. Nobody waits for the daemon.
        func begin(_ index: Int, _ way: Way, by tool: RawClient) throws {
            guests[index].way = way
            switch way {
            case .reconnection: try ask(guests[index].ring)
            case .introduction: try tool.send(introduction(of: guests[index].ring))
            }
        }

        private func ask(_ ring: RingGuest) throws {
            ring[.connection] = 1
            try ring.notify()
        }

        private func introduction(of ring: RingGuest) -> Message {
            Message(.introduce, "\(ring.domain)\01\0\(ring.port)\0")
        }

        /// Without a daemon it can be asked for as well. What was asked for before is in doubt.
        func daemonHasDied(_ random: inout Randomness) throws {
            for index in guests.indices where guests[index].way == nil && random.once(in: 12) {
                guests[index].way = .reconnection
                try ask(guests[index].ring)
            }
            // Until then the next daemon serves their rings as they are.
            for guest in guests where guest.way != nil { guest.actor.keepConnection() }
        }

        /// All that wait begin anew. A toolstack that was not answered asks once more.
        func settle(by tool: RawClient) throws {
            for index in guests.indices where guests[index].way != nil { try finish(index, by: tool) }
        }

        private func finish(_ index: Int, by tool: RawClient) throws {
            let (ring, actor) = (guests[index].ring, guests[index].actor)
            switch guests[index].way {
            case .introduction:
                let answer = try tool.ask(.introduce, bytes: introduction(of: ring).payload)
                guard answer == .ok else { throw Trouble("domain \(ring.domain) is introduced again: \(answer)") }
            case .reconnection:
                while ring[.connection] != 0 {
                    guard try ring.wait() else { throw Trouble("domain \(ring.domain) waits to begin anew") }
                }
            case nil: return
            }
            guests[index].way = nil
            actor.beginAnew()
            try actor.model.settle(on: StoreDump(actor.model.tops, by: tool))
        }
    }
#endif
