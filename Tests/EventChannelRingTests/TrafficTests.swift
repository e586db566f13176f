// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Testing
    import TestSupport

    /// Bytes over the ring: any amount, at any place, with one event for as much as possible.
    @Suite struct TrafficTests {
        let host: Host

        init() throws { host = try Host() }

        @Test func foreignMappingServesGuests() throws {
            let host = try Host(map: "foreign")
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.write, "a\0b") == .ok)
            let other = try host.guest(6)
            #expect(try host.tool.ask(.introduce, "6\02\0\(other.port)\0") == .EINVAL, "no such gfn")
        }

        /// A request that is cut at every byte, and that lies across the end of the ring at every byte.
        @Test func framesMayComeInPartsAnywhere() throws {
            let guest = try host.introducedGuest(5)
            let request = Message(.write, "key\0value", number: 1)
            for cut in 1..<request.bytes.count {
                // The event that told of the last reply's room has been seen: nobody else looks at the indexes.
                try host.notifyAndSettle(guest)
                // Index and ring wrap in the middle of the request, at another byte each time.
                guest.setIndexes(UInt32.max &- UInt32(cut) &+ 1)
                #expect(guest.put(request.bytes[..<cut]) == cut)
                try host.notifyAndSettle(guest)
                #expect(try guest.wait(), "the daemon has taken what there was")
                #expect(guest[.requestConsumer] == 0)
                _ = guest.put(request.bytes[cut...])
                try guest.notify()
                #expect(try guest.answer(to: request) == .ok)
            }
        }

        @Test func messagesLargerThanTheRingArrive() throws {
            let guest = try host.introducedGuest(5)
            let kernel = try RingGuest(0, in: host.xen)
            // dom0's values may be as long as a message: 4096 bytes of payload.
            let payload = Array("/big\0".utf8) + (0..<4091).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            #expect(try kernel.ask(.write, bytes: payload) == .ok)
            #expect(try kernel.ask(.read, "/big\0").bytes == Array(payload.dropFirst(5)))
            #expect(try host.tool.ask(.setPerms, "/big\0r0\0") == .ok)
            #expect(try guest.ask(.read, "/big\0").bytes == Array(payload.dropFirst(5)))
            let value = [UInt8](repeating: 1, count: 2000)
            #expect(try guest.ask(.write, bytes: Array("a\0".utf8) + value) == .ok)
            #expect(try guest.ask(.read, "a\0").bytes == value)
        }

        @Test func manyRequestsAreOneEvent() throws {
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.write, "a\0b") == .ok)
            _ = guest.takeNotifications()
            let requests = (1...16).map { Message(.read, "a\0", number: $0) }
            #expect(guest.put(requests.flatMap(\.bytes)[...]) == 16 * 18)
            try host.notifyAndSettle(guest)
            #expect(guest.takeNotifications() == 1, "room for requests, and all replies")
            for request in requests { #expect(try guest.answer(to: request) == .data("b")) }
        }

        @Test func aGuestThatDoesNotReadIsNotReadFrom() throws {
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.write, bytes: Array("a\0".utf8) + [UInt8](repeating: 7, count: 900)) == .ok)
            // It sends on as long as there is room, and never looks at its replies.
            let request = Message(.read, "a\0", number: 1)
            var sent = 0
            while guest.put(request.bytes[...]) == request.bytes.count {
                sent += 1
                guard sent < 10_000 else {
                    Issue.record("the daemon takes all it gets")
                    return
                }
                try host.notifyAndSettle(guest)
            }
            let memory = try host.daemon.residentMemory
            #expect(memory < 100_000, "kibibytes")
            // Others are served, and it is, too, once it reads.
            let other = try host.introducedGuest(6)
            #expect(try other.ask(.write, "a\0b") == .ok)
            for _ in 0..<sent { #expect(try guest.answer(to: request).bytes.count == 900) }
        }

        @Test func aGuestThatIsNotReadFromGoesOnWhereItStopped() throws {
            let guest = try host.introducedGuest(5)
            let watcher = try host.introducedGuest(6)
            #expect(try host.tool.ask(.setPerms, "/local/domain/5\0r5\0") == .ok)
            #expect(try watcher.ask(.watch, "/local/domain/5\0token\0") == .ok)
            // Each write causes an event that the watcher does not take: requests under way pile up until
            // the guest may not have more.
            let requests = (0..<200).map { Message(.write, "k\($0)\0v", number: $0) }
            var left = requests.flatMap(\.bytes)[...]
            var replies: [UInt32] = []
            let start = ContinuousClock.now
            while replies.count < requests.count, ContinuousClock.now - start < Deadline.usual {
                left = left.dropFirst(guest.put(left))
                try host.notifyAndSettle(guest)
                while let reply = try guest.receiveAtOnce() { replies.append(reply.number) }
                if try watcher.receiveAtOnce() == nil, replies.count < requests.count {
                    try host.notifyAndSettle(watcher)
                }
            }
            #expect(replies == requests.map(\.number))
        }

        @Test func eventsReachTheGuest() throws {
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.watch, "device\0token\0") == .ok)
            #expect(try guest.allEvents() == [Event("device", "token")])
            #expect(try host.tool.ask(.write, "/local/domain/5/device/vif\0x") == .ok)
            #expect(try guest.receive() == Message(.watchEvent, "device/vif\0token\0"))
        }
    }
#endif
