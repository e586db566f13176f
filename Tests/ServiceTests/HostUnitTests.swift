// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// The units that are installed, on a host whose Xen has brought units of its own: those in Tests/HostUnits/xen.
/// What is said of them is systemd's own word, of its planner and of a machine that it boots.
@Suite(.slow, .enabled(if: Machine.isPossible, "no systemd, or no right to give it a machine of its own"))
struct HostUnitTests {
    /// Both ways to make a host use the daemon, and the one unit that then is the host's daemon.
    enum Way: String, CaseIterable {
        case ownUnit = "sxenstored.service"
        case dropIn = "xenstored.service"
    }

    static let others = [
        "xen-init-dom0.service", "xen-qemu-dom0-disk-backend.service", "xenconsoled.service", "xendomains.service",
    ]

    @Test(arguments: Way.allCases) func everyBootStartsOneDaemonAndAllThatNeedIt(way: Way) throws {
        let result = try Machine(way).run(["plan", way.rawValue] + Self.others)
        #expect(result.status == 0 && result.errors == "", "\(result)")
        let plans = result.output.split(separator: "\n").map { $0.split(separator: " ").filter { $0.contains("xen") } }
        #expect(plans.count == 10)
        for plan in plans {
            #expect(plan.map(String.init) == (["proc-xen.mount", way.rawValue] + Self.others).sorted())
        }
    }

    /// The host's own unit may be enabled, too, or pulled in by its own name.
    @Test func theHostsOwnUnitIsNotStartedBesideOurs() throws {
        let result = try Machine(.ownUnit).run(["plan", "xenstored.service", "sxenstored.service"])
        let plans = result.output.split(separator: "\n").map {
            $0.split(separator: " ").filter { $0.contains("store") }
        }
        #expect(plans == Array(repeating: ["sxenstored.service"], count: 10))
    }

    @Test(arguments: Way.allCases) func systemdUnderstandsEveryLine(way: Way) throws {
        let result = try Machine(way).run(["systemd-analyze", "verify", "--man=no", way.rawValue])
        #expect(result.output + result.errors == "")
    }

    /// xenconsoled is started again with the daemon, as it does not connect again by itself. Nothing else is: to
    /// start xendomains again would end all guests.
    @Test(arguments: Way.allCases, ["/run/xenstored/tdb", "/var/lib/xenstored/tdb", "/var/lib/sxenstored/tdb"])
    func aKilledDaemonComesBackAndGuestsGoOn(way: Way, store: String) throws {
        let machine = try Machine(way)
        try machine.prepare(scenario: "kill", store: store)
        let result = try machine.run(["boot", way.rawValue] + Self.others)
        let events = machine.events
        let death = try #require(
            events.firstIndex(of: "the daemon is killed"), "\(events) \(result) \(machine.trouble)")
        let end = try #require(events.firstIndex { $0.hasPrefix("failed") }, "\(events) \(result) \(machine.trouble)")
        #expect(events[..<death].sorted() == ["guests start", "qemu starts", "xen-init-dom0", "xenconsoled"])
        let after = [
            "xenconsoled", "the store: yes", "the pid file is right: yes", "the unit: \(way.rawValue)", "failed: ",
        ]
        #expect(Array(events[(death + 1)...end]) == after)
    }
}

/// A machine that Tests/HostUnits makes of this one: the units of a Xen host and ours, as `make install` has them.
final class Machine {
    private let folder: TemporaryFolder
    private static let tools = "\(packageFolder)/Tests/HostUnits"

    static let isPossible: Bool =
        geteuid() == 0 && access("/lib/systemd/systemd", X_OK) == 0
        && (try? Machine(.ownUnit).run(["true"]).status) == 0

    init(_ way: HostUnitTests.Way) throws {
        folder = try TemporaryFolder()
        let (path, tools) = (folder.path, Self.tools)
        try shell(
            "mkdir -p \(path)/units/lib \(path)/units/etc/xen \(path)/units/etc/systemd/system \(path)/shared/bin")
        try shell("cp '\(tools)'/base/* '\(tools)'/xen/* \(path)/units/lib")
        try shell(
            "cp '\(built("sxenstored"))' '\(built("xenstore"))' '\(tools)/plan' '\(tools)/boot' \(path)/shared/bin")
        try shell("make -s -C '\(packageFolder)' install-units DESTDIR=\(path)/root prefix=/usr sbindir=/shared/bin")
        try shell("cp \(path)/root/usr/lib/systemd/system/* \(path)/units/lib")
        try shell("cp -R \(path)/root/usr/lib/systemd/system-preset \(path)/units/etc/systemd")
        if way == .dropIn {
            let examples = "\(path)/root/usr/share/doc/sxenstored/examples"
            try shell("cp -R \(examples)/xenstored.service.d \(path)/units/etc/systemd/system")
        }
    }

    /// What is done on the machine once it is up, and the file that its store is.
    func prepare(scenario: String, store: String) throws {
        try shell("cp '\(Self.tools)/scenarios/\(scenario)' \(folder.file("shared/scenario"))")
        try folder.write(
            """
            transports:
              - unix-socket: {}
            storage:
              tdb: { path: \(store) }
            policies: []

            """, to: "units/etc/xen/sxenstored.yaml")
    }

    /// Runs a command as process 1 of the machine.
    func run(_ command: [String]) throws -> Outcome {
        let tool = ["plan", "boot"].contains(command[0]) ? "/shared/bin/\(command[0])" : command[0]
        return try TestSupport.run(
            ["\(Self.tools)/enter", folder.file("units"), folder.file("shared"), tool] + command.dropFirst())
    }

    /// What the machine's units and its scenario have told of.
    var events: [String] {
        folder.text(of: "shared/events").split(separator: "\n").map(String.init)
    }

    /// What they have complained of.
    var trouble: String { folder.text(of: "shared/trouble") }

    private func shell(_ command: String) throws {
        let result = try TestSupport.run(["sh", "-c", command])
        guard result.status == 0 else { throw Trouble("\(command): \(result.errors)") }
    }
}

/// The folder of Package.swift.
private let packageFolder = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
