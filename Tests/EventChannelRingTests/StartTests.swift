// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import Testing
    import TestSupport

    @testable import EventChannelRing

    /// What the transport needs of the host, and what it says if that is not there.
    @Suite struct StartTests {
        @Test func answersRequestsThatDom0sKernelSentBefore() throws {
            let xen = try FakeXen()
            try xen.create(0)
            let port = try xen.makeControlRing()
            let kernel = try RingGuest(0, in: xen)
            #expect(kernel.port == port)
            kernel.setIndexes(1000)
            let request = Message(.mkdir, "/early\0", number: 4)
            _ = kernel.put(request.bytes[...])
            let host = try Host(xen)
            #expect(try kernel.answer(to: request) == .ok)
            #expect(try host.tool.ask(.directory, "/\0").strings.contains("early"))
        }

        @Test func servesGuestsWithoutAConfiguration() throws {
            let host = try Host(withoutConfigurationOn: FakeXen())
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.write, "data/x\0v") == .ok)
            #expect(try host.tool.ask(.read, "/local/domain/5/data/x\0") == .data("v"))
            #expect(host.daemon.log.contains("with built-in default for a Xen host, as there is no "))
        }

        #if TDB
            /// The store is in a file, and a daemon that was killed comes back with it.
            @Test func keepsTheStoreWithoutAConfiguration() throws {
                let xen = try FakeXen()
                // Two daemons of a host have one run folder.
                let files = ["storage.tdb.path": "tdb", "transports.event-channel-ring.index-file": "rings"]
                let options = files.flatMap { ["--set", "\($0)=\(xen.folder.file($1))"] }
                let first = try Host(withoutConfigurationOn: xen, options)
                let guest = try first.introducedGuest(5)
                #expect(try guest.ask(.write, "data/x\0v") == .ok)
                first.daemon.process.send(SIGKILL)
                #expect(try first.daemon.process.wait() == -SIGKILL)
                try xen.daemonHasDied()
                let host = try Host(withoutConfigurationOn: xen, options)
                #expect(try host.tool.ask(.read, "/local/domain/5/data/x\0") == .data("v"))
                #expect(try guest.ask(.read, "data/x\0") == .data("v"))
            }

            /// Guests start whatever the disk does, and the log says what is in memory only.
            @Test(
                .enabled(if: SmallDisk.isPossible), arguments: ["full at the start", "read-only at the start", "full"])
            func guestsStartOnAFullOrReadOnlyDisk(_ state: String) throws {
                let disk = try SmallDisk(mebibytes: 8)
                if state == "full at the start" { disk.fill() }
                if state == "read-only at the start" { try disk.setReadOnly(true) }
                let host = try Host(
                    withoutConfigurationOn: FakeXen(), ["--set", "storage.tdb.path=\(disk.folder.file("tdb"))"])
                disk.fill()
                let value = String(repeating: "v", count: 1900)
                for domain: UInt16 in 5..<10 {
                    let guest = try host.introducedGuest(domain)
                    for number in 0..<100 {
                        #expect(try guest.ask(.write, "data/\(number)\0\(value)") == .ok, "\(domain), \(number)")
                    }
                }
                try host.daemon.waitForLog("in memory only until that works")
                #expect(try host.daemon.stop() == 0)
                #expect(host.daemon.log.contains(" lost"))
            }
        #endif

        @Test func reportsMissingRingsOnAHost() throws {
            let xen = try FakeXen()
            let daemon = try Daemon(["--set", "transports=unix-socket"], environment: try xen.environment())
            #expect(
                daemon.log.contains(
                    "warning: this is a Xen host, and no transport is event-channel-ring: dom0's kernel and guests"))
            try xen.folder.write("", to: "capabilities")
            let guests = try Daemon(environment: try xen.environment())
            #expect(!guests.log.contains("Xen host"))
        }

        @Test func makesMissingDeviceFiles() {
            let list = " 58 xen/gntdev\n 59 xen/evtchn\n  1 psaux\n 60 evtchn\n"
            #expect(XenDevice.minor(of: "evtchn", in: list) == 59)
            #expect(XenDevice.minor(of: "gntdev", in: list) == 58)
            #expect(XenDevice.minor(of: "privcmd", in: list) == nil)
            #expect(XenDevice.minor(of: "evtchn", in: "") == nil)
        }
    }

    /// A thousand guests that do nothing cost nothing.
    @Suite struct IdleTests {
        @Test func theCostOfARequestDoesNotGrow() throws {
            let alone = try Measured(guests: 0)
            let crowded = try Measured(guests: 1000)
            // In turns, and the least of some, so that whatever else runs here counts for both.
            for _ in 0..<24 {
                try alone.measure()
                try crowded.measure()
            }
            // A daemon that looked at each guest would take several times as long.
            #expect(crowded.ring < alone.ring * 4)
            #expect(crowded.socket < alone.socket * 4)
            #expect(crowded.idle.allSatisfy { $0.takeNotifications() == 0 })
        }

        /// A daemon with one guest that asks and others that do not, and what a request costs it.
        private final class Measured {
            let host: Host
            let guest: RingGuest
            private(set) var idle: [RingGuest] = []
            private(set) var ring = Int.max
            private(set) var socket = Int.max

            init(guests: UInt16) throws {
                host = try Host()
                guest = try host.introducedGuest(5)
                #expect(try guest.ask(.write, "a\0b") == .ok)
                for domain in 0..<guests {
                    try host.xen.create(100 + domain)
                    let guest = try RingGuest(100 + domain, in: host.xen)
                    #expect(try host.introduce(guest) == .ok)
                    idle.append(guest)
                }
            }

            func measure() throws {
                ring = try min(ring, cost { try guest.ask(.read, "a\0") })
                socket = try min(socket, cost { try host.tool.ask(.read, "/local/domain/5/a\0") })
            }

            /// The daemon's own time for a request, in nanoseconds.
            private func cost(_ request: () throws -> Answer) throws -> Int {
                let start = try host.daemon.processorTime
                for _ in 0..<100 { #expect(try request() == .data("b")) }
                return try (host.daemon.processorTime - start) / 100
            }
        }
    }
#endif
