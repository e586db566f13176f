// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Testing
    import TestSupport

    /// A guest's kernel may begin anew over the same ring, as after a crash dump kernel has taken over.
    @Suite struct ReconnectionTests {
        let host: Host

        init() throws { host = try Host() }

        private func reconnect(_ guest: RingGuest) throws {
            guest[.connection] = 1
            _ = guest.takeNotifications()
            try host.notifyAndSettle(guest)
            guest.forgetReceived()
        }

        @Test func aReconnectionDropsAllRequestsAndReplies() throws {
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.write, bytes: Array("a\0".utf8) + [UInt8](repeating: 7, count: 900)) == .ok)
            #expect(try guest.ask(.watch, "a\0token\0") == .ok)
            #expect(try guest.ask(.transactionStart, "\0") == .data("1\0"))
            #expect(try guest.allEvents() == [Event("a", "token")])
            // Replies that it has not taken, in the ring and behind it, and half a request.
            for _ in 0..<3 {
                _ = guest.put(Message(.read, "a\0").bytes[...])
                try host.notifyAndSettle(guest)
            }
            _ = guest.put(Message(.read, "a\0").bytes[..<10])
            try host.notifyAndSettle(guest)
            try reconnect(guest)
            #expect(guest[.connection] == 0)
            #expect(guest.takeNotifications() == 1)
            #expect([guest[.requestConsumer], guest[.requestProducer]] == [0, 0])
            #expect([guest[.replyConsumer], guest[.replyProducer]] == [0, 0])
            #expect(try guest.ask(.read, "a\0").bytes.count == 900)
            #expect(try host.tool.ask(.write, "/local/domain/5/a\0c") == .ok)
            #expect(try guest.allEvents() == [])
            #expect(try guest.ask(.read, "a\0", in: 1) == .ENOENT)
            #expect(try host.tool.ask(.control, "check\0") == .ok)
        }

        @Test func aBrokenRingIsServedAgain() throws {
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.write, "a\0b") == .ok)
            for breakage in 0..<3 {
                switch breakage {
                case 0: guest[.requestProducer] = guest[.requestConsumer] &+ 9999
                case 1:
                    guest[.replyProducer] = guest[.replyConsumer] &+ 9999
                    _ = guest.put(Message(.read, "a\0").bytes[...])
                default: _ = guest.put(Message.header(.write, 1, 0, length: 4097)[...])
                }
                try host.notifyAndSettle(guest)
                #expect(guest[.error] == [2, 2, 3][breakage])
                try reconnect(guest)
                #expect(guest[.error] == 0)
                #expect(guest[.connection] == 0)
                #expect(try guest.ask(.read, "a\0") == .data("b"))
                #expect(try guest.ask(.watch, "a\0token\0") == .ok, "its old watches are gone")
                #expect(try guest.allEvents() == [Event("a", "token")])
            }
            // The new session is the domain's in every respect.
            #expect(try host.tool.ask(.setTarget, "5\05\0") == .ok)
            try host.kill(5)
            #expect(try host.tool.ask(.read, "/local/domain/5\0") == .ENOENT)
        }

        @Test func aGuestWithoutTheFeatureCannotReconnect() throws {
            let guest = try host.guest(5)
            #expect(try host.tool.ask(.setFeature, "5\014\0") == .ok)
            #expect(try host.introduce(guest) == .ok)
            #expect(try guest.ask(.watch, "a\0token\0") == .ok)
            #expect(try guest.allEvents() == [Event("a", "token")])
            guest[.connection] = 1
            try host.notifyAndSettle(guest)
            #expect(guest[.connection] == 1)
            #expect(try host.tool.ask(.write, "/local/domain/5/a\0b") == .ok)
            #expect(try guest.allEvents() == [Event("a", "token")])
        }

        @Test func dom0sKernelCanReconnect() throws {
            let kernel = try RingGuest(0, in: host.xen)
            kernel[.requestProducer] = 9999
            try host.notifyAndSettle(kernel)
            #expect(kernel[.error] == 2)
            try reconnect(kernel)
            #expect(try kernel.ask(.write, "/x\0y") == .ok)
        }
    }
#endif
