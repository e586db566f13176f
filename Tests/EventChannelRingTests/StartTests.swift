// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import Testing
    import TestSupport

    @testable import EventChannelRing

    /// What the transport needs of the host, and what it says if that is not there.
    @Suite struct StartTests {
        @Test func takesUpWhatDom0sKernelHasAskedBefore() throws {
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

        @Test func saysThatTheHypervisorIsOfAnotherVersion() throws {
            let trouble = #expect(throws: Trouble.self) { try Host(try FakeXen(), ["FAKEXEN_REFUSE": "1"]) }
            let text = trouble?.description ?? ""
            #expect(
                text.contains("can't ask the hypervisor for its domains: Permission denied; sxenstored was built for"))
            #expect(text.contains("build its target XenDomains anew"))
        }

        @Test func saysThatThereIsNoXen() throws {
            let trouble = #expect(throws: Trouble.self) { try Host(try FakeXen(), ["LD_PRELOAD": ""]) }
            #expect(trouble?.description.contains("error: can't reach the hypervisor through libxen") == true)
        }

        @Test func findsDevicesThatHaveNoFile() {
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
            let host = try Host()
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.write, "a\0b") == .ok)
            let before = try (
                ring: cost(host) { try guest.ask(.read, "a\0") }, socket: cost(host) { try readBySocket(host) }
            )
            var idle: [RingGuest] = []
            for domain: UInt16 in 100..<1100 {
                try host.xen.create(domain)
                let guest = try RingGuest(domain, in: host.xen)
                #expect(try host.introduce(guest) == .ok)
                idle.append(guest)
            }
            let after = try (
                ring: cost(host) { try guest.ask(.read, "a\0") }, socket: cost(host) { try readBySocket(host) }
            )
            // A daemon that looked at each guest would take several times as long.
            #expect(after.ring < before.ring * 3 / 2)
            #expect(after.socket < before.socket * 3 / 2)
            #expect(idle.allSatisfy { $0.takeNotifications() == 0 })
        }

        private func readBySocket(_ host: Host) throws -> Answer { try host.tool.ask(.read, "/local/domain/5/a\0") }

        /// The daemon's own time for a request, in nanoseconds: the least of some runs, as anything else that runs
        /// makes it only more.
        private func cost(_ host: Host, _ request: () throws -> Answer) throws -> Int {
            var least = Int.max
            for _ in 0..<5 {
                let start = try host.daemon.processorTime
                for _ in 0..<500 { #expect(try request() == .data("b")) }
                least = min(least, try (host.daemon.processorTime - start) / 500)
            }
            return least
        }
    }
#endif
