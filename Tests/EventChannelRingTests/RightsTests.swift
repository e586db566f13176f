// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Testing
    import TestSupport

    /// What is left of a domain when it is gone: nothing. And who may use its number then: nobody but the
    /// domain that has it.
    @Suite struct RightsTests {
        let host: Host
        var tool: RawClient { host.tool }

        init() throws { host = try Host() }

        private func permissions(of path: String) throws -> [String] { try tool.ask(.getPerms, "\(path)\0").strings }

        @Test func nodesOfTheDeadGoWhereverTheyAre() throws {
            let guest = try host.introducedGuest(5)
            _ = try host.introducedGuest(6)
            #expect(try tool.ask(.setPerms, "/local/domain/6\0n6\0b5\0") == .ok)
            #expect(try guest.ask(.write, "/local/domain/6/theirs/deep\0x") == .ok)
            #expect(try tool.ask(.write, "/local/domain/5/dom0s\0x") == .ok)
            #expect(try tool.ask(.setPerms, "/local/domain/5/dom0s\0n0\0") == .ok)
            try host.watch("/", "tree")
            try host.kill(5)
            let events = try tool.allEvents()
            #expect(Set(events) == [Event("/local/domain/5", "tree"), Event("/local/domain/6/theirs", "tree")])
            #expect(try tool.ask(.directory, "/local/domain/6\0") == .data(""))
            #expect(try tool.ask(.directory, "/local/domain\0").strings == ["6"])
            #expect(try permissions(of: "/local/domain/6") == ["n6"])
        }

        @Test func rightsOfTheDeadGo() throws {
            _ = try host.introducedGuest(5)
            #expect(try tool.ask(.write, "/shared\0x") == .ok)
            #expect(try tool.ask(.setPerms, "/shared\0n0\0r5\0w6\0b5\0") == .ok)
            #expect(try tool.ask(.setPerms, "@releaseDomain\0n0\0r5\0") == .ok)
            try host.kill(5)
            #expect(try permissions(of: "/shared") == ["n0", "w6"])
            #expect(try permissions(of: "@releaseDomain") == ["n0"])
        }

        /// The hypervisor has told nobody: the toolstack is the first to know.
        @Test func aNumberUsedAgainIsAnotherDomain() throws {
            let first = try host.introducedGuest(5)
            #expect(try first.ask(.write, "secret\0x") == .ok)
            try host.watch("@introduceDomain", "in")
            try host.watch("@releaseDomain", "out")
            try host.xen.create(5)
            let second = try RingGuest(5, in: host.xen)
            #expect(try host.introduce(second) == .ok)
            #expect(try tool.allEvents() == [Event("@releaseDomain", "out"), Event("@introduceDomain", "in")])
            try host.makeHome(of: 5)
            #expect(try second.ask(.read, "secret\0") == .ENOENT)
        }

        /// The first that is heard of it is that something has changed.
        @Test func aNumberUsedAgainIsADeath() throws {
            let first = try host.introducedGuest(5)
            #expect(try first.ask(.write, "secret\0x") == .ok)
            try host.xen.create(5)
            try host.tellOfDomains()
            #expect(try host.isIntroduced(5) == false)
            #expect(try tool.ask(.read, "/local/domain/5/secret\0") == .ENOENT)
        }

        @Test func rightsGivenToADomainBeforeItIsIntroducedDieWithIt() throws {
            try host.xen.create(5)
            #expect(try tool.ask(.write, "/shared\0x") == .ok)
            #expect(try tool.ask(.setPerms, "/shared\0n0\0r5\0") == .ok)
            try host.watch("@releaseDomain", "out")
            try host.xen.create(5)
            try host.tellOfDomains()
            #expect(try tool.allEvents() == [], "nobody knew it")
            #expect(try permissions(of: "/shared") == ["n0"])
        }

        @Test func anEmulatorHasItsTargetsRights() throws {
            _ = try host.introducedGuest(5)
            let emulator = try host.introducedGuest(6)
            #expect(try tool.ask(.write, "/local/domain/5/device\0x") == .ok)
            #expect(try emulator.ask(.read, "/local/domain/5/device\0") == .EACCES)
            #expect(try tool.ask(.setTarget, "6\05\0") == .ok)
            #expect(try emulator.ask(.read, "/local/domain/5/device\0") == .data("x"))
            #expect(try emulator.ask(.setPerms, "/local/domain/5/device\0n5\0") == .ok, "and owns what it owns")
            #expect(try tool.ask(.setTarget, "6\077\0") == .ENOENT)
            #expect(try tool.ask(.setTarget, "77\05\0") == .ENOENT)
        }

        @Test func aTargetIsForgottenWithItsDomain() throws {
            _ = try host.introducedGuest(5)
            let emulator = try host.introducedGuest(6)
            #expect(try tool.ask(.setTarget, "6\05\0") == .ok)
            try host.kill(5)
            _ = try host.introducedGuest(5)
            #expect(try tool.ask(.write, "/local/domain/5/device\0x") == .ok)
            #expect(try emulator.ask(.read, "/local/domain/5/device\0") == .EACCES)
        }

        @Test func guestsCanNotDoWhatTheToolstackDoes() throws {
            let guest = try host.introducedGuest(5)
            for (op, payload) in [
                (Op.introduce, "5\01\01\0"), (.release, "5\0"), (.resume, "5\0"), (.setTarget, "5\00\0"),
                (.isDomainIntroduced, "5\0"), (.setFeature, "5\00\0"), (.control, "check\0"),
            ] {
                #expect(try guest.ask(op, payload) == .EACCES, "\(op)")
            }
        }
    }
#endif
