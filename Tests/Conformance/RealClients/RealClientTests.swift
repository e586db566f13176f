// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// Programs that were written for the other daemons.
@Suite struct RealClientTests {
    let daemon: Daemon

    init() throws { daemon = try Daemon() }

    private func client(_ arguments: [String]) throws -> Outcome {
        try run(arguments, environment: ["XENSTORED_RUNDIR": daemon.folder.path])
    }

    // MARK: Xen's own test

    /// Its twelve tests once, often, and in a random mix.
    @Test(
        .enabled(if: Installed.xenProgram("test-xenstore") != nil, "test-xenstore (xen-utils) is not installed"),
        arguments: [[], ["-i", "20"], ["-r", "1"]])
    func passesTestXenstore(options: [String]) throws {
        let program = try #require(Installed.xenProgram("test-xenstore"))
        let end = try client([program] + options)
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        if options != ["-r", "1"] {
            #expect(end.output.split(separator: "\n").count { $0.contains(" ns") } == 12, "\(end.output)")
        }
        #expect(try daemon.connect().ask(.control, "check\0") == .ok)
    }

    // MARK: Xen's Python binding

    @Test(.enabled(if: Installed.hasPythonBinding, "xen.lowlevel.xs (xen-utils) is not installed"))
    func servesThePythonBinding() throws {
        let script =
            #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Resources/xen_lowlevel.py"
        let end = try client([Installed.python, script])
        #expect(end.status == 0, "\(end.output)\(end.errors)")
        #expect(end.output.hasSuffix("done\n"))
    }

    // MARK: The tools

    struct Step: Sendable {
        let command: String
        var status: Int32 = 0
        var output = ""
        var errors = ""
    }

    /// A session as an administrator has it: words of a command, its output, its complaint.
    static let session: [Step] = [
        Step(command: "write /a/b v /a/c w-x"),
        Step(command: "read /a/b /a/c", output: "v\nw-x\n"),
        Step(command: "read -p /a/b", output: "/a/b: v\n"),
        Step(command: "read /a/nothing", status: 1, errors: "xenstore-read: couldn't read path /a/nothing\n"),
        Step(command: "list /a", output: "b\nc\n"),
        Step(command: "list /", output: "tool\na\n"),
        Step(command: "list /nothing", status: 1, errors: "xenstore-list: could not list path /nothing\n"),
        Step(command: "exists /a/b /a"),
        Step(command: "exists /a/b /nothing", status: 1),
        Step(command: "ls", output: "tool = \"\"\n xenstored = \"\"\na = \"\"\n b = \"v\"\n c = \"w-x\"\n"),
        Step(command: "ls -f /a", output: "/a/b = \"v\"\n/a/c = \"w-x\"\n"),
        Step(
            command: "ls /nothing", status: 1,
            errors: "xenstore-ls: xs_directory (/nothing): No such file or directory\n"),
        Step(command: "chmod /a n0 r1"),
        Step(command: "chmod -r /a/b b2 r3"),
        Step(command: "ls -fp /a", output: "/a/b = \"v\"   (b2,r3)\n/a/c = \"w-x\"   (n0)\n"),
        Step(
            command: "chmod /nothing n0", status: 1,
            errors: "xenstore-chmod: Error occurred setting permissions on '/nothing': No such file or directory\n"),
        Step(command: "write relative value"),
        Step(command: "read /local/domain/0/relative", output: "value\n"),
        Step(command: "rm /local /a/c"),
        Step(command: "rm /nothing/at/all", status: 1, errors: "xenstore-rm: could not remove path /nothing/at/all\n"),
        Step(command: "rm -t /a/b"),
        Step(command: "ls", output: "tool = \"\"\n xenstored = \"\"\n"),
        Step(command: "watch -n 1 /any", output: "/any\n"),
    ]

    @Test(.enabled(if: Installed.tool("xenstore-ls") != nil, "xenstore-utils is not installed"))
    func servesASessionWithTheTools() throws {
        for step in RealClientTests.session {
            var words = step.command.split(separator: " ").map(String.init)
            words[0] = "/usr/bin/xenstore-\(words[0])"
            let end = try client(words)
            #expect(end.status == step.status, "\(step.command)")
            #expect(end.output == step.output, "\(step.command)")
            #expect(end.errors == step.errors, "\(step.command)")
        }
    }

    /// More children than one reply holds: the library asks for the parts.
    @Test(.enabled(if: Installed.tool("xenstore-list") != nil, "xenstore-utils is not installed"))
    func listsALongDirectory() throws {
        let raw = try daemon.connect()
        let names = (0..<2000).map { "child-\($0)" }
        for name in names { #expect(try raw.ask(.mkdir, "/long/\(name)\0") == .ok) }
        let end = try client(["/usr/bin/xenstore-list", "/long"])
        #expect(end.status == 0)
        #expect(end.output == names.map { "\($0)\n" }.joined())
    }

    @Test(.enabled(if: Installed.tool("xenstore-watch") != nil, "xenstore-utils is not installed"))
    func tellsTheWatchTool() throws {
        let watcher = try ChildProcess(
            ["/usr/bin/xenstore-watch", "-n", "2", "/watched"], environment: ["XENSTORED_RUNDIR": daemon.folder.path],
            output: daemon.folder.file("watcher"), errors: daemon.folder.file("watcher"))
        // It watches some time after it has started, and then the next write ends it.
        let raw = try daemon.connect()
        let deadline = Deadline()
        while try watcher.isAlive, deadline.milliseconds > 0 { _ = try raw.ask(.write, "/watched/it\0v") }
        #expect(try watcher.wait() == 0)
        #expect(daemon.folder.text(of: "watcher") == "/watched\n/watched/it\n")
    }

    // MARK: xenstore-control

    @Test(
        .enabled(if: Installed.xenProgram("xenstore-control") != nil, "xenstore-control (xen-utils) is not installed"))
    func answersTheControlTool() throws {
        let program = try #require(Installed.xenProgram("xenstore-control"))
        func control(_ command: String) throws -> Outcome {
            try client([program] + command.split(separator: " ").map(String.init))
        }
        for command in ["check", "print hello", "log +io", "log off", "quota set nodes 7"] {
            let end = try control(command)
            #expect(end.status == 0, "\(command)")
            #expect(end.output == "OK\n", "\(command)")
            #expect(end.errors == "", "\(command)")
        }
        let quota = try control("quota")
        #expect(quota.status == 0)
        #expect(quota.output.hasPrefix("Quota settings:\nnodes            :        7 "))
        #expect(try control("quota 0").output.hasPrefix("Domain 0:\nnodes            : "))
        #expect(try control("quota max").output.hasPrefix("Max. seen accounting values:\n"))
        #expect(try control("log").output.hasPrefix("Log switch settings:\nobj     : off\n"))
        #expect(try control("help").status == 0)
        let unknown = try control("nonsense")
        #expect(unknown.status == 3)
        #expect((unknown.output + unknown.errors).hasPrefix("Command not supported. Valid commands are:\ncheck"))
    }
}
