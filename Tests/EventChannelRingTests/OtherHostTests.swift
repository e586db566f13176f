// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import Testing
    import TestSupport

    /// Guests that are there before the daemon, as on a host that Xen itself has filled.
    @Suite struct OlderGuestTests {
        private let xen: FakeXen

        init() throws { xen = try FakeXen() }

        /// A guest whose event channel Xen has made, and shows in its page.
        private func guest(_ domain: UInt16) throws -> RingGuest {
            try xen.create(domain)
            let guest = try RingGuest(domain, in: xen)
            guest[.eventChannel] = guest.port
            return guest
        }

        private func host(_ keys: [String: String] = ["introduce": "all"], manages: Bool = false) throws -> Host {
            try Host(xen, keys: keys, manages ? ["FAKEXEN_MANAGE": "1"] : [:])
        }

        @Test(arguments: [false, true])
        func allAreServed(manages: Bool) throws {
            let waiting = try guest(5)
            waiting[.connection] = 1
            let asking = try guest(6)
            let request = Message(.getDomainPath, "6\0", number: 9)
            _ = asking.put(request.bytes[...])
            let host = try host(manages: manages)
            #expect(try waiting.wait(), "it is told that somebody serves it")
            #expect(waiting[.connection] == 0)
            #expect(waiting[.features] == 15)
            #expect(try waiting.ask(.getDomainPath, "5\0") == .data("/local/domain/5\0"))
            #expect(try asking.answer(to: request) == .data("/local/domain/6\0"))
            #expect(try host.isIntroduced(5) && host.isIntroduced(6))
            #expect(try waiting.ask(.isDomainIntroduced, "5\0") == .EACCES, "it is a guest")
            // They are domains like others from now on.
            try host.watch("@releaseDomain", "out")
            try host.kill(5)
            #expect(try host.tool.allEvents() == [Event("@releaseDomain", "out")])
        }

        @Test(arguments: [false, true])
        func theToolstackIntroducesThemByDefault(manages: Bool) throws {
            let guest = try guest(5)
            guest[.connection] = 1
            let host = try host([:], manages: manages)
            #expect(try host.isIntroduced(5) == false)
            #expect(guest[.connection] == 1)
            #expect(try host.introduce(guest) == .ok)
            #expect(try guest.ask(.getDomainPath, "5\0") == .data("/local/domain/5\0"))
        }

        @Test(arguments: [false, true])
        func aGuestWithoutARingOrChannelDoesNoHarm(manages: Bool) throws {
            _ = try guest(5)
            xen.removePage(5)
            let silent = try guest(6)
            silent[.eventChannel] = 0
            let dead = try guest(7)
            try xen.set(7, isDead: true)
            let good = try guest(8)
            let host = try host(manages: manages)
            #expect(try good.ask(.getDomainPath, "8\0") == .data("/local/domain/8\0"))
            for domain: UInt16 in 5...7 { #expect(try host.isIntroduced(domain) == false) }
            #expect(dead[.features] == 0)
            let expected = "is not served until it is introduced: it has no ring, or its event channel cannot be bound"
            try host.daemon.waitForLog("domain 5 was there before, and \(expected)")
            try host.daemon.waitForLog("domain 6 was there before, and \(expected)")
            #expect(try host.introduce(silent) == .ok)
            #expect(try silent.ask(.getDomainPath, "6\0") == .data("/local/domain/6\0"))
        }

        /// Xen before 4.21 does not clear the page.
        @Test func garbageInThePageIsNoEventChannel() throws {
            let older = try guest(5)
            older[.eventChannel] = 0xc2c2_c2c2
            let host = try host()
            let younger = try host.guest(6)
            younger[.eventChannel] = 0xc2c2_c2c2
            #expect(try host.isIntroduced(5) == false)
            for guest in [older, younger] {
                #expect(try host.introduce(guest) == .ok)
                #expect(try guest.ask(.getDomainPath, "9\0") == .data("/local/domain/9\0"))
            }
        }

        @Test func allNeedsGrants() throws {
            let trouble = #expect(throws: Trouble.self) { try Host(xen, map: "foreign", keys: ["introduce": "all"]) }
            #expect(trouble?.description.contains("event-channel-ring.introduce: 'all' needs 'map: grant'") == true)
        }

        #if TDB
            /// The next daemon binds the channel that this one has bound, whatever the page and INTRODUCE have said.
            @Test(arguments: [true, false])
            func theNextDaemonGoesOn(isOlder: Bool) throws {
                let first: Host
                let served: RingGuest
                if isOlder {
                    served = try guest(5)
                    first = try Host(xen, storage: "tdb", keys: ["introduce": "all"])
                } else {
                    first = try Host(xen, storage: "tdb", keys: ["introduce": "all"])
                    served = try guest(5)
                    #expect(try first.tool.ask(.introduce, "5\01\0999\0") == .ok, "the page has a better port")
                }
                #expect(try served.ask(.watch, "@releaseDomain\0token\0").bytes == Array("OK\0".utf8))
                _ = try served.allEvents()
                served[.eventChannel] = 77
                first.daemon.process.send(SIGKILL)
                #expect(try first.daemon.process.wait() == -SIGKILL)
                try xen.daemonHasDied()
                let second = try Host(xen, storage: "tdb", keys: ["introduce": "all"])
                #expect(try second.isIntroduced(5))
                #expect(try served.ask(.getDomainPath, "5\0") == .data("/local/domain/5\0"))
                #expect(try served.ask(.watch, "@releaseDomain\0token\0") == .EEXIST, "it is the same session")
            }
        #endif
    }

    /// Hosts on which dom0 does not do everything.
    @Suite struct HostRoleTests {
        private enum Capability {
            static let control: UInt32 = 1
            static let hardware: UInt32 = 2
            static let xenstore: UInt32 = 4
        }

        /// A host whose daemon runs in domain 5, and the kernel of that domain.
        private func world(_ capabilities: [UInt16: UInt32]) throws -> (xen: FakeXen, kernel: RingGuest) {
            let xen = try FakeXen(local: 5)
            for (domain, capabilities) in capabilities { try xen.create(domain, capabilities: capabilities) }
            _ = try xen.makeControlRing()
            return (xen, try RingGuest(5, in: xen))
        }

        private static let manage = ["FAKEXEN_MANAGE": "1"]

        /// Asks for what only a privileged domain may ask.
        private func isPrivileged(_ guest: RingGuest) throws -> Bool {
            try guest.ask(.isDomainIntroduced, "\(guest.domain)\0") == .data("T\0")
        }

        @Test func theDaemonMayRunInADomainOfItsOwn() throws {
            let (xen, kernel) = try world([
                0: Capability.control | Capability.hardware, 5: Capability.xenstore, 7: 0,
            ])
            let dom0 = try RingGuest(0, in: xen)
            dom0[.eventChannel] = dom0.port
            let host = try Host(xen, Self.manage)
            #expect(host.daemon.log.contains("serving the kernel of domain 5; domain 0 has all rights; libxenmanage"))
            #expect(try isPrivileged(dom0))
            #expect(try !isPrivileged(kernel))
            #expect(try kernel.ask(.getDomainPath, "5\0") == .data("/local/domain/5\0"))
            #expect(try host.isIntroduced(5) && host.isIntroduced(0) && !host.isIntroduced(7))
            #expect(try host.tool.ask(.release, "5\0") == .EINVAL, "the daemon's own domain stays")
            // The clients of sockets are in that domain, too.
            #expect(try host.tool.ask(.write, "data\0x") == .ok)
            #expect(try host.tool.ask(.read, "/local/domain/5/data\0") == .data("x"))
            // The toolstack in dom0 introduces guests.
            let guest = try RingGuest(7, in: xen)
            #expect(try dom0.ask(.introduce, "7\01\0\(guest.port)\0") == .ok)
            #expect(try guest.ask(.getDomainPath, "7\0") == .data("/local/domain/7\0"))
            #expect(try !isPrivileged(guest))
            #expect(try dom0.ask(.write, "/tool\0x") == .ok)
            // What the toolstack has made outlives dom0.
            try host.kill(0)
            #expect(try host.tool.ask(.read, "/tool\0") == .data("x"))
            #expect(try guest.ask(.getDomainPath, "7\0") == .data("/local/domain/7\0"))
        }

        @Test(arguments: [Self.manage, [:]])
        func thereMayBeNoControlDomain(_ environment: [String: String]) throws {
            let (xen, kernel) = try world([5: Capability.xenstore, 7: 0])
            // libxenctrl does not tell capabilities.
            let options = environment.isEmpty ? ["--master-domid", "5"] : []
            let host = try Host(xen, options: options, environment)
            #expect(host.daemon.log.contains("serving the kernel of domain 5; "))
            #expect(try isPrivileged(kernel))
            let guest = try RingGuest(7, in: xen)
            #expect(try host.introduce(guest) == .ok)
            #expect(try !isPrivileged(guest))
            #expect(try host.isIntroduced(0) == false)
            try host.kill(7)
            #expect(try host.isIntroduced(5))
        }

        /// The options of C xenstored win over what the hypervisor says.
        @Test(arguments: [Self.manage, [:]])
        func theOperatorNamesTheDomains(_ environment: [String: String]) throws {
            let (xen, kernel) = try world([0: 7, 5: 0, 7: 0])
            let boss = try RingGuest(7, in: xen)
            boss[.eventChannel] = boss.port
            let dom0 = try RingGuest(0, in: xen)
            let host = try Host(xen, options: ["-m", "5", "--priv-domid=7"], environment)
            #expect(host.daemon.log.contains("serving the kernel of domain 5; domain 7 has all rights; "))
            #expect(try isPrivileged(boss))
            #expect(try !isPrivileged(kernel))
            #expect(try host.isIntroduced(0) == false)
            #expect(try boss.ask(.introduce, "0\01\0\(dom0.port)\0") == .ok)
            #expect(try !isPrivileged(dom0))
        }

        @Test func aWrongOwnDomainIsReported() throws {
            let (xen, _) = try world([0: 7, 5: 0])
            let trouble = #expect(throws: Trouble.self) { try Host(xen, Self.manage) }
            let text = trouble?.description ?? ""
            #expect(text.contains("can't bind the event channel of domain 0's kernel"), "\(text)")
            #expect(text.contains("if the daemon runs in another domain, set 'master-domid'"))
        }

        @Test func aLaterDomainDoesNotInheritTheRights() throws {
            let (xen, _) = try world([3: Capability.control, 5: Capability.xenstore])
            let control = try RingGuest(3, in: xen)
            control[.eventChannel] = control.port
            let host = try Host(xen, Self.manage)
            #expect(try isPrivileged(control))
            try host.kill(3)
            try xen.create(3)
            let later = try RingGuest(3, in: xen)
            #expect(try host.introduce(later) == .ok)
            #expect(try !isPrivileged(later))
        }

        @Test func aPrivilegedDomainThatIsNotThereIsIntroducedLater() throws {
            let (xen, kernel) = try world([5: Capability.xenstore])
            let host = try Host(xen, options: ["--priv-domid", "9"], Self.manage)
            #expect(try !isPrivileged(kernel))
            try xen.create(9)
            let control = try RingGuest(9, in: xen)
            #expect(try host.introduce(control) == .ok)
            #expect(try isPrivileged(control))
        }
    }
#endif
