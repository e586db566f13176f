// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import Testing
    import TestSupport

    /// One daemon for every Xen: it finds Xen's libraries when it starts, and says what is missing or wrong.
    @Suite struct XenLibraryTests {
        private let world: FakeXen
        private let folder: TemporaryFolder

        init() throws {
            world = try FakeXen()
            folder = try TemporaryFolder()
        }

        /// The output of a daemon that does not start.
        private func failure(_ environment: [String: String] = [:], map: String = "grant", glue: String? = nil) throws
            -> String
        {
            let trouble = #expect(throws: Trouble.self) {
                try Host(world, map: map, keys: glue.map { ["glue-folder": $0] } ?? [:], environment)
            }
            let text = trouble?.description ?? ""
            // Xen's libraries would write lines of their own, past the log.
            #expect(text.split(separator: "\n").dropFirst().allSatisfy { $0.hasPrefix("sxenstored: ") }, "\(text)")
            return text
        }

        @Test func theDaemonIsLinkedToNoLibraryOfXen() throws {
            let outcome = try run([Daemon.binary], environment: ["LD_TRACE_LOADED_OBJECTS": "1"])
            #expect(outcome.output.contains("libc.so.6"))
            #expect(!outcome.output.contains("libxen"), "\(outcome.output)")
        }

        @Test(arguments: [("grant", "libxengnttab"), ("foreign", "libxenforeignmemory"), ("grant", "libxenevtchn")])
        func namesAMissingStableLibraryAndItsPackage(map: String, library: String) throws {
            let text = try failure(["FAKEXEN_WITHOUT": "\(library).so.1"], map: map)
            #expect(text.contains("can't load \(library).so.1"), "\(text)")
            #expect(text.contains("Debian has it in the package \(library)1"))
        }

        @Test func socketsNeedNoLibraryOfXen() throws {
            let without = "libxenevtchn.so.1 libxengnttab.so.1 libxenforeignmemory.so.1"
            let environment = try world.environment().merging(["FAKEXEN_WITHOUT": without]) { $1 }
            let daemon = try Daemon(["--set", "transports=unix-socket"], environment: environment)
            #expect(try daemon.connect().ask(.write, "/a\0b") == .ok)
        }

        @Test func reportsThatThereIsNoXen() throws {
            #expect(try failure(["LD_PRELOAD": ""]).contains("can't reach the hypervisor through /"))
        }

        // MARK: The glue

        @Test func reportsAHypervisorOfAnotherVersion() throws {
            let text = try failure(["FAKEXEN_REFUSE": "1"])
            #expect(text.contains("can't ask the hypervisor for its domains: Permission denied; /"))
            #expect(text.contains("xenctrl-4.17.so was built for domctl interface 21, and the hypervisor is Xen 4.17"))
        }

        @Test func namesTheMissingGlueAndThoseThatAreThere() throws {
            try FakeXen.buildGlue(in: folder.path)
            let text = try failure(["FAKEXEN_VERSION": "4.18"], glue: folder.path)
            #expect(text.contains("can't open \(folder.path)/xenctrl-4.18.so, the glue for Xen 4.18: No such file"))
            #expect(text.contains("libxen-dev of Xen 4.18; the folder has only that for 4.17"))
        }

        @Test func namesTheLibraryThatTheGlueNeeds() throws {
            try compile("int x;", "xenctrl-4.18.so", linkedTo: "libxenctrl.so.4.18")
            let text = try failure(["FAKEXEN_VERSION": "4.18"], glue: folder.path)
            #expect(text.contains("can't load \(folder.path)/xenctrl-4.18.so"), "\(text)")
            #expect(text.contains("libxenctrl.so.4.18: cannot open shared object file"))
            #expect(text.contains("in the package libxenmisc4.18"))
        }

        @Test func refusesGlueWithoutATable() throws {
            try compile("int x;", "xenctrl-4.17.so")
            #expect(try failure(glue: folder.path).contains("it is no glue for a version of Xen"))
        }

        @Test(arguments: [
            (2, 72, "4.17", "its table has version 2 and 72 bytes, the daemon wants version 1 and"),
            (1, 8, "4.17", "its table has version 1 and 8 bytes, the daemon wants version 1 and"),
            (1, 72, "4.16", "it is for Xen 4.16, and the name says 4.17"),
            (1, 72, "4.17", "its table lacks a function"),
        ])
        func refusesGlueThatItCannotUse(abi: Int, size: Int, version: String, message: String) throws {
            // The functions are missing in all of them.
            try compile(
                """
                #include "XenGlue.h"
                const struct xen_glue sxenstored_xen_glue = { .abi = \(abi), .size = \(size), .version = "\(version)" };
                """, "xenctrl-4.17.so")
            let text = try failure(glue: folder.path)
            #expect(text.contains("can't use \(folder.path)/xenctrl-4.17.so"), "\(text)")
            #expect(text.contains(message), "\(text)")
        }

        @Test(arguments: [("xenctrl-4.17.so", 0o757), ("xenctrl-4.17.so", 0o775), ("", 0o777)] as [(String, mode_t)])
        func refusesGlueThatOthersMayChange(name: String, mode: mode_t) throws {
            try FakeXen.buildGlue(in: folder.path)
            #expect(chmod(folder.file(name), mode) == 0)
            #expect(try failure(glue: folder.path).contains("another user may change it"))
        }

        /// Without /sys/hypervisor the daemon takes the glue that works.
        @Test func findsTheGlueWithoutTheVersion() throws {
            try FakeXen.buildGlue(in: folder.path)
            try compile("int x;", "xenctrl-4.18.so", linkedTo: "libxenctrl.so.4.18")
            let host = try Host(world, keys: ["glue-folder": folder.path], ["FAKEXEN_VERSION": "unknown"])
            #expect(host.daemon.log.contains("\(folder.path)/xenctrl-4.17.so knows the domains"))
        }

        /// Makes a shared object in the folder.
        private func compile(_ source: String, _ name: String, linkedTo library: String? = nil) throws {
            try folder.write(source + "\n", to: "source.c")
            var words = [FakeXen.compiler, "-shared", "-fPIC", "-I\(Self.headers)", "-o", folder.file(name)]
            words.append(folder.file("source.c"))
            if let library {
                try folder.write("int y;\n", to: "library.c")
                let dummy = folder.file(library)
                let made = try run([
                    FakeXen.compiler, "-shared", "-fPIC", "-Wl,-soname,\(library)", "-o", dummy,
                    folder.file("library.c"),
                ])
                #expect(made.status == 0, "\(made.errors)")
                words += ["-Wl,--no-as-needed", dummy]
            }
            let outcome = try run(words)
            #expect(outcome.status == 0, "\(outcome.errors)")
            // Whatever the umask is.
            #expect(chmod(folder.file(name), 0o755) == 0)
        }

        private static let headers =
            #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/Sources/CXen/include"

        /// Our C types of Xen's functions against Xen's headers, as far as this machine has them.
        @Test func callsXensFunctionsAsItsHeadersSay() throws {
            let names = [
                "xenevtchn": [
                    "open", "close", "fd", "bind_interdomain", "bind_virq", "unbind", "notify", "pending", "unmask",
                ],
                "xengnttab": ["open", "close", "map_grant_ref", "unmap"],
                "xenforeignmemory": ["open", "close", "map", "unmap"],
                "xenmanage": ["open", "close", "get_domain_info", "poll_changed_domain"],
            ]
            let there = names.keys.filter { access("/usr/include/\($0).h", F_OK) == 0 }.sorted()
            #expect(there.count >= 3, "Debian's libxen-dev has three of them")
            let includes = there.map { "#include <\($0).h>" }
            let checks = there.flatMap { library in
                (names[library] ?? []).map { "\(library)_\($0)_call check_\(library)_\($0) = \(library)_\($0);" }
            }
            let logger = [
                "#include <xentoollog.h>", "#include \"XenLog.h\"",
                "_Static_assert(sizeof(struct xen_logger) == sizeof(struct xentoollog_logger), \"\");",
                "_Static_assert(offsetof(struct xen_logger, destroy) == offsetof(struct xentoollog_logger, destroy), \"\");",
            ]
            let all = ["#define __XEN_TOOLS__ 1"] + includes + ["#include \"XenLibraries.h\""] + logger + checks
            try folder.write(all.joined(separator: "\n") + "\n", to: "check.c")
            let outcome = try run([
                FakeXen.compiler, "-fsyntax-only", "-Werror", "-Wall", "-Wno-unused-function", "-I\(Self.headers)",
                folder.file("check.c"),
            ])
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
    }

    /// The libraries of Xen 4.21 and later: libxenmanage needs no glue.
    @Suite struct ManageTests {
        let host: Host
        var tool: RawClient { host.tool }

        init() throws {
            let folder = try TemporaryFolder()
            host = try Host(
                FakeXen(), keys: ["glue-folder": folder.path], ["FAKEXEN_MANAGE": "1", "FAKEXEN_VERSION": "4.21"])
        }

        @Test func libxenmanageIsTriedFirst() throws {
            #expect(host.daemon.log.contains("libxenmanage.so.1 knows the domains"))
        }

        @Test func domainsComeShutDownAndDie() throws {
            let guest = try host.introducedGuest(5)
            #expect(try guest.ask(.write, "a\0b") == .ok)
            #expect(try tool.ask(.introduce, "6\01\01\0") == .ENOENT)
            try host.watch("@releaseDomain", "out")
            try host.xen.set(5, isShutdown: true)
            try host.tellOfDomains()
            #expect(try tool.allEvents() == [Event("@releaseDomain", "out")])
            try host.kill(5, leavingZombie: true)
            #expect(try tool.allEvents() == [Event("@releaseDomain", "out")])
            #expect(try tool.ask(.read, "/local/domain/5/a\0") == .ENOENT)
        }

        @Test func aNumberUsedAgainIsADeath() throws {
            let first = try host.introducedGuest(5)
            #expect(try first.ask(.write, "secret\0x") == .ok)
            try host.xen.create(5)
            try host.tellOfDomains()
            #expect(try host.isIntroduced(5) == false)
            #expect(try tool.ask(.read, "/local/domain/5/secret\0") == .ENOENT)
        }

        @Test func itsAbsenceIsReportedOnXen421() throws {
            let folder = try TemporaryFolder()
            let trouble = #expect(throws: Trouble.self) {
                try Host(FakeXen(), keys: ["glue-folder": folder.path], ["FAKEXEN_VERSION": "4.21"])
            }
            let text = trouble?.description ?? ""
            #expect(text.contains("can't load libxenmanage.so.1"), "\(text)")
            #expect(text.contains("Debian has it in the package libxenmanage1"))
        }

        /// An older hypervisor with a library of a later Xen: the glue helps.
        @Test func theGlueHelpsWhereTheHypervisorRefusesLibxenmanage() throws {
            let host = try Host(FakeXen(), ["FAKEXEN_MANAGE": "refused"])
            #expect(host.daemon.log.contains("xenctrl-4.17.so knows the domains"))
        }
    }
#endif
