// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import Testing
    import TestSupport

    /// The daemon has no descriptor left.
    @Suite struct ScarcityTests {
        let host: Host

        init() throws { host = try Host() }

        /// Lets the daemon open descriptors below this one only.
        private func limitDescriptors(to count: Int) throws {
            let folder = try TemporaryFolder()
            let tool = try ChildProcess(
                ["prlimit", "--pid", "\(host.daemon.process.pid)", "--nofile=\(count):"],
                output: folder.file("log"), errors: folder.file("log"))
            #expect(try tool.wait() == 0, "\(folder.text(of: "log"))")
        }

        private func firstFreeDescriptor() -> Int {
            let used = Set(host.daemon.descriptorNumbers)
            return (0...used.count).first { !used.contains($0) } ?? 0
        }

        @Test func noDomainIsHalfIntroduced() throws {
            let (served, guest) = (try host.introducedGuest(5), try host.guest(6))
            #expect(try served.ask(.write, "data\0value") == .ok)
            try host.watch("@introduceDomain", "in")
            try limitDescriptors(to: firstFreeDescriptor())
            #expect(try host.introduce(guest) == .error("EINVAL"))
            #expect(try !host.isIntroduced(6))
            #expect(!guest.isBound)
            #expect(try host.tool.allEvents() == [])
            #expect(try served.ask(.write, "data\0value") == .ok, "who was there is served")
            try host.daemon.waitForLog("domain 6: its ring cannot be mapped: Too many open files")

            try limitDescriptors(to: 1024)
            #expect(try host.introduce(guest) == .ok)
            #expect(try host.tool.allEvents() == [Event("@introduceDomain", "in")])
            #expect(try guest.ask(.write, "data\0value") == .ok)
        }
    }
#endif
