// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import Testing
    import TestSupport

    /// The built daemon on a simulated Xen host: the plugin's own code, Xen's libraries faked below it.
    final class Host {
        // It goes before the host does, whose folder may have its files.
        let daemon: Daemon
        let xen: FakeXen
        /// The toolstack.
        let tool: RawClient

        convenience init(map: String = "grant") throws { try self.init(FakeXen(), map: map) }

        /// On a host that is there already; `environment` wins over what the host needs.
        init(
            _ xen: FakeXen, map: String = "grant", indexFile: String? = nil, storage: String = "memory",
            keys: [String: String] = [:], options: [String] = [], _ environment: [String: String] = [:]
        ) throws {
            self.xen = xen
            let configuration = try TemporaryFolder()
            let more = keys.map { ", \($0): \($1)" }.joined()
            try configuration.write(
                """
                transports:
                  - unix-socket: {}
                  - event-channel-ring: { map: \(map), index-file: \(indexFile ?? xen.folder.file("rings"))\(more) }
                storage:
                  \(storage): \(storage == "tdb" ? "{ path: \(xen.folder.file("tdb")) }" : "{}")
                policies:
                  - permissions: {}
                  - quotas: {}

                """, to: "configuration")
            daemon = try Daemon(
                ["--config", configuration.file("configuration")] + options,
                environment: try xen.environment().merging(environment) { $1 })
            tool = try daemon.connect()
        }

        /// The daemon without a configuration file.
        init(withoutConfigurationOn xen: FakeXen, _ options: [String] = []) throws {
            self.xen = xen
            daemon = try Daemon(options, environment: try xen.environment())
            tool = try daemon.connect()
        }

        /// A domain with a home of its own, not introduced yet.
        func guest(_ domain: UInt16) throws -> RingGuest {
            try xen.create(domain)
            try makeHome(of: domain)
            return try RingGuest(domain, in: xen)
        }

        func makeHome(of domain: UInt16) throws {
            #expect(try tool.ask(.mkdir, "/local/domain/\(domain)\0") == .ok)
            #expect(try tool.ask(.setPerms, "/local/domain/\(domain)\0n\(domain)\0") == .ok)
        }

        /// A domain that is served.
        func introducedGuest(_ domain: UInt16) throws -> RingGuest {
            let guest = try guest(domain)
            #expect(try introduce(guest) == .ok)
            return guest
        }

        @discardableResult
        func introduce(_ guest: RingGuest) throws -> Answer {
            try tool.ask(.introduce, "\(guest.domain)\01\0\(guest.port)\0")
        }

        func isIntroduced(_ domain: UInt16) throws -> Bool {
            try tool.ask(.isDomainIntroduced, "\(domain)\0") == .data("T\0")
        }

        /// Watches, and forgets the first event.
        func watch(_ path: String, _ token: String, depth: Int? = nil) throws {
            let depth = depth.map { "\($0)\0" } ?? ""
            #expect(try tool.ask(.watch, "\(path)\0\(token)\0\(depth)") == .ok)
            _ = try tool.allEvents()
        }

        /// Ends the domain, whichever way, and waits until the daemon has taken notice.
        func kill(_ domain: UInt16, leavingZombie: Bool = false) throws {
            if leavingZombie { try xen.set(domain, isDead: true) } else { xen.remove(domain) }
            try xen.tellOfDomains()
            try expectEventually { try !self.isIntroduced(domain) }
        }

        /// Tells the daemon that domains have changed, and waits until it has looked at them.
        func tellOfDomains() throws {
            try xen.tellOfDomains()
            try expectEventually(xen.daemonHasLooked)
        }

        /// Sends the daemon an event from the guest, and waits until it has done what that leads to.
        func notifyAndSettle(_ guest: RingGuest) throws {
            try guest.notify()
            try expectEventually(guest.isServed)
            // What a turn answers is out when the next one answers another.
            _ = try tool.allEvents()
        }

        /// Asks again and again until it is so: what the daemon does is seen by asking it.
        func expectEventually(_ isSo: () throws -> Bool, _ place: SourceLocation = #_sourceLocation) throws {
            let start = ContinuousClock.now
            while try !isSo() {
                guard .now - start < Deadline.usual else {
                    Issue.record("it didn't come to be so in time", sourceLocation: place)
                    return
                }
                sched_yield()
            }
        }
    }
#endif
