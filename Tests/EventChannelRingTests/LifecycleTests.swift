// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Testing
    import TestSupport

    /// Domains come, shut down, are resumed and go, and everybody hears of it in the right order.
    @Suite struct LifecycleTests {
        let host: Host
        var tool: RawClient { host.tool }

        init() throws { host = try Host() }

        /// Watches both forms of a special node.
        private func watchForms(_ name: String, of domain: UInt16) throws {
            try host.watch(name, "plain")
            try host.watch(name, "deep", depth: 1)
            try host.watch("\(name)/\(domain)", "exact")
            try host.watch("\(name)/\(domain + 1)", "other")
            try host.watch(name, "never", depth: 0)
        }

        private func bothForms(_ name: String, of domain: UInt16) -> [Event] {
            [Event(name, "plain")] + domainForm(name, of: domain)
        }

        private func domainForm(_ name: String, of domain: UInt16) -> [Event] {
            [Event("\(name)/\(domain)", "deep"), Event("\(name)/\(domain)", "exact")]
        }

        @Test func anIntroductionFiresBothFormsOnce() throws {
            try watchForms("@introduceDomain", of: 5)
            let guest = try host.guest(5)
            #expect(try host.isIntroduced(5) == false)
            #expect(try host.introduce(guest) == .ok)
            #expect(try tool.allEvents() == bothForms("@introduceDomain", of: 5))
            #expect(try host.isIntroduced(5))
            #expect(try host.introduce(guest) == .ok)
            #expect(try tool.allEvents() == [], "nothing new when it is introduced again")
            #expect(try guest.ask(.write, "a\0b") == .ok)
        }

        @Test func introduceRefusesAMissingDomain() throws {
            let guest = try host.guest(5)
            #expect(try tool.ask(.introduce, "5\01\0999\0") == .EINVAL, "no such port")
            #expect(try tool.ask(.introduce, "5\01\00\0") == .EINVAL)
            #expect(try tool.ask(.introduce, "5\01\0-1\0") == .EINVAL)
            #expect(try tool.ask(.introduce, "6\01\01\0") == .ENOENT, "no such domain")
            #expect(try tool.ask(.introduce, "0\01\01\0") == .ok, "dom0's kernel begins again")
            #expect(try host.isIntroduced(5) == false)
            #expect(try host.introduce(guest) == .ok)
        }

        @Test func aRefusedIntroductionLeavesTheGuestServed() throws {
            let guest = try host.guest(5)
            #expect(try host.introduce(guest) == .ok)
            #expect(try guest.ask(.write, "a\0b") == .ok)
            #expect(try tool.ask(.introduce, "5\01\0999\0") == .EINVAL, "no such port")
            #expect(try guest.ask(.read, "a\0") == .data("b"), "its events still arrive, both ways")
        }

        @Test func introduceShowsFeaturesAndEmptiesTheRing() throws {
            let guest = try host.guest(5)
            guest.setIndexes(77)
            guest[.requestProducer] = 99
            guest[.error] = 2
            guest[.connection] = 1
            #expect(try host.introduce(guest) == .ok)
            #expect(guest[.features] == 15)
            #expect(guest[.error] == 0)
            #expect(guest[.connection] == 0)
            #expect([guest[.requestConsumer], guest[.requestProducer]] == [0, 0])
            #expect([guest[.replyConsumer], guest[.replyProducer]] == [0, 0])
            #expect(try guest.wait(), "who waits for the connection is told")
            #expect(try guest.ask(.write, "a\0b") == .ok)
        }

        @Test func introduceShowsOnlyTheAllowedFeatures() throws {
            let guest = try host.guest(5)
            #expect(try tool.ask(.setFeature, "5\04\0") == .ok)
            #expect(try host.introduce(guest) == .ok)
            #expect(guest[.features] == 4)
            #expect(try guest.ask(.getFeature, "") == .data("4\0"))
            #expect(try tool.ask(.setFeature, "5\015\0") == .EBUSY)
        }

        @Test func xensOwnPortOverridesTheToolstacks() throws {
            let guest = try host.guest(5)
            guest[.eventChannel] = guest.port
            #expect(try tool.ask(.introduce, "5\01\0\(guest.port + 7)\0") == .ok)
            #expect(try guest.ask(.write, "a\0b") == .ok)
        }

        @Test func aSecondIntroductionIsANewStart() throws {
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.write, "a\0b") == .ok)
            #expect(try guest.ask(.watch, "a\0token\0") == .ok)
            #expect(try guest.allEvents() == [Event("a", "token")])
            #expect(try guest.ask(.transactionStart, "\0") == .data("1\0"))
            // Half a request is in the daemon when it happens.
            let request = Message(.read, "a\0", number: 9)
            _ = guest.put(request.bytes[..<10])
            try host.notifyAndSettle(guest)
            #expect(try host.introduce(guest) == .ok)
            guest.forgetReceived()
            #expect(try guest.ask(.read, "a\0") == .data("b"))
            #expect(try tool.ask(.write, "/local/domain/5/a\0c") == .ok)
            #expect(try guest.allEvents() == [], "its watches are gone")
            #expect(try guest.ask(.read, "a\0", in: 1) == .ENOENT, "and its transactions")
        }

        @Test func releaseRemovesTheDomain() throws {
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.write, "a\0b") == .ok)
            try watchForms("@releaseDomain", of: 5)
            try host.watch("/local/domain", "tree")
            #expect(try tool.ask(.release, "5\0") == .ok)
            #expect(try tool.allEvents() == [Event("/local/domain/5", "tree")] + bothForms("@releaseDomain", of: 5))
            #expect(try tool.ask(.read, "/local/domain/5\0") == .ENOENT)
            #expect(try host.isIntroduced(5) == false)
            #expect(guest.isBound == false)
            #expect(try tool.ask(.release, "5\0") == .ENOENT)
            #expect(try tool.ask(.release, "0\0") == .EINVAL)
            #expect(try tool.ask(.release, "6\0") == .ENOENT)
        }

        @Test func shutdownIsToldOnceUntilResumed() throws {
            _ = try host.introducedGuest(5)
            try watchForms("@releaseDomain", of: 5)
            let told = domainForm("@releaseDomain", of: 5) + [Event("@releaseDomain", "plain")]
            try host.xen.set(5, isShutdown: true)
            try host.tellOfDomains()
            #expect(try tool.allEvents() == told)
            try host.tellOfDomains()
            #expect(try tool.allEvents() == [])
            #expect(try host.isIntroduced(5), "it may be resumed")
            #expect(try tool.ask(.resume, "5\0") == .ok)
            try host.tellOfDomains()
            #expect(try tool.allEvents() == told)
            #expect(try tool.ask(.resume, "0\0") == .EINVAL)
            #expect(try tool.ask(.resume, "6\0") == .ENOENT)
        }

        @Test func severalShutdownsAreOnePlainEvent() throws {
            for domain: UInt16 in [5, 6, 7] {
                _ = try host.introducedGuest(domain)
                try host.xen.set(domain, isShutdown: true)
            }
            try host.watch("@releaseDomain", "plain")
            try host.watch("@releaseDomain", "deep", depth: 1)
            try host.tellOfDomains()
            #expect(
                try tool.allEvents() == [
                    Event("@releaseDomain/5", "deep"), Event("@releaseDomain/6", "deep"),
                    Event("@releaseDomain/7", "deep"), Event("@releaseDomain", "plain"),
                ])
        }

        @Test(arguments: [false, true])
        func deathIsToldAfterTheNodesAreGone(leavingZombie: Bool) throws {
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.write, "a\0b") == .ok)
            try watchForms("@releaseDomain", of: 5)
            try host.watch("/local/domain", "tree")
            try host.kill(5, leavingZombie: leavingZombie)
            #expect(try tool.allEvents() == [Event("/local/domain/5", "tree")] + bothForms("@releaseDomain", of: 5))
            #expect(try tool.ask(.directory, "/local/domain\0") == .data(""))
        }

        @Test func deathAfterShutdownIsToldAgain() throws {
            _ = try host.introducedGuest(5)
            try watchForms("@releaseDomain", of: 5)
            try host.xen.set(5, isShutdown: true)
            try host.tellOfDomains()
            _ = try tool.allEvents()
            try host.kill(5)
            #expect(try tool.allEvents() == bothForms("@releaseDomain", of: 5))
        }

        @Test func dom0IsAlwaysIntroduced() throws {
            #expect(try host.isIntroduced(0))
            #expect(try tool.ask(.isDomainIntroduced, "32752\0") == .data("T\0"), "DOMID_SELF")
            let kernel = try RingGuest(0, in: host.xen)
            #expect(kernel[.features] == 15)
            #expect(try kernel.wait(), "it is told that somebody serves it")
            #expect(try kernel.ask(.write, "/x\0y") == .ok)
            #expect(try kernel.ask(.isDomainIntroduced, "0\0") == .data("T\0"), "it may ask what only dom0 may")
            let guest = try host.guest(5)
            #expect(try kernel.ask(.introduce, "5\01\0\(guest.port)\0") == .ok)
            #expect(try guest.ask(.isDomainIntroduced, "5\0") == .EACCES)
        }
    }
#endif
