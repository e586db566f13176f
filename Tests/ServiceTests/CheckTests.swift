// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// `--check-config` finds what the start refuses, and the start says the same.
@Suite struct CheckTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.write("a file", to: "file")
        mkdir(folder.file("folder"), 0o755)
        mkfifo(folder.file("fifo"), 0o600)
        symlink("loop", folder.file("loop"))
        symlink("folder", folder.file("link"))
        symlink("nowhere", folder.file("dead"))
    }

    /// `@` stands for the folder of the test.
    private static let refused: [(String, String)] = [
        ("transports.unix-socket.owner=no-such-user", "owner: there is no user 'no-such-user'"),
        ("transports.read-only-socket.group=no-such-group", "group: there is no group 'no-such-group'"),
        ("transports.read-only-socket.group=4294967295", "group: there is no group '4294967295'"),
        ("transports.read-only-socket.path=@/run/socket", "is also the file of transports.unix-socket.path"),
        ("transports.read-only-socket.path=@/run/socket/ro", "is below '@/run/socket', which is the file of"),
        (
            "transports.unix-socket.path=@/link/s transports.read-only-socket.path=@/folder/s",
            "read-only-socket.path: is also the file of transports.unix-socket.path"
        ),
        ("transports.unix-socket.path=@/folder", "'@/folder' is a folder"),
        ("transports.unix-socket.path=@/folder/", "with a slash at its end"),
        ("transports.unix-socket.path=@/file", "'@/file' is not a socket"),
        ("transports.unix-socket.path=@/fifo", "'@/fifo' is not a socket"),
        ("transports.unix-socket.path=@/file/socket", "'@/file/socket' cannot be made: Not a directory"),
        ("transports.unix-socket.path=@/loop/socket", "cannot be made: Too many levels of symbolic links"),
        ("transports.unix-socket.path=/proc/no/socket", "/proc holds only files of the kernel"),
        ("transports.unix-socket.path=@/dead/socket", "'@/dead' is a link to a file that does not exist"),
        ("daemon.pid-file=@/dead", "'@/dead' is a link to a file that does not exist"),
        ("daemon.pid-file=@/link", "'@/link' is a folder"),
        ("daemon.pid-file=@/folder", "'@/folder' is a folder"),
        ("daemon.pid-file=@/file/pid", "'@/file/pid' cannot be made: Not a directory"),
        ("daemon.pid-file=/proc/no/pid", "'/proc/no/pid' cannot be made: /proc holds only files of the kernel"),
        ("daemon.pid-file=/sys/pid", "'/sys/pid' cannot be made: /sys holds only files of the kernel"),
        ("daemon.pid-file=@/fifo", "'@/fifo' is not a regular file"),
        ("daemon.pid-file=@/run/socket", "is also the file of daemon.pid-file"),
        ("storage=tdb storage.tdb.path=@/folder", "'@/folder' is a folder"),
        ("storage=tdb storage.tdb.path=@/run/socket", "is also the file of transports.unix-socket.path"),
        ("storage=tdb storage.tdb.path=@/file/tdb", "'@/file/tdb' cannot be made: Not a directory"),
    ]

    @Test(arguments: refused)
    func findsWhatTheStartRefuses(values: String, complaint: String) throws {
        let set = values.replacing("@", with: folder.path).split(separator: " ").map { "--set=\($0)" }
        let complaint = complaint.replacing("@", with: folder.path)
        let environment = ["XENSTORED_RUNDIR": folder.file("run")]
        let check = try run([built("sxenstored"), "--check-config"] + set, environment: environment)
        #expect(check.status == 2)
        #expect(check.errors.contains(complaint), "\(check.errors)")
        #expect(
            TemporaryFolder.names(in: folder.path).sorted() == ["dead", "fifo", "file", "folder", "link", "loop"],
            "untouched")
        let start = try run([built("sxenstored"), "-N"] + set, environment: environment, within: .seconds(10))
        #expect(start.status == 2)
        #expect(start.errors.contains(complaint), "\(start.errors)")
    }

    @Test(arguments: [
        ("folder", "is a folder"), ("file/trace", "Not a directory"), ("run/socket", "is also the file of"),
    ])
    func findsAnImpossibleTraceFile(name: String, complaint: String) throws {
        for options in [["--check-config"], ["-N"]] {
            let end = try run(
                [built("sxenstored"), "-T", folder.file(name)] + options,
                environment: ["XENSTORED_RUNDIR": folder.file("run")], within: .seconds(10))
            #expect(end.status == 2)
            #expect(end.errors.contains("--trace-file: ") && end.errors.contains(complaint), "\(end.errors)")
        }
    }

    /// A socket of a daemon that runs is no reason to call its configuration bad.
    @Test func aConfigurationInUseIsGood() throws {
        let daemon = try Daemon(["--pid-file", folder.file("pid")])
        let check = try run(
            [built("sxenstored"), "--check-config", "--pid-file", folder.file("pid")],
            environment: ["XENSTORED_RUNDIR": daemon.folder.path])
        #expect(check.status == 0, "\(check.errors)")
        #expect(check.output.hasSuffix("the configuration is good\n"))
    }

    @Test func warnsOfDoubtfulValues() throws {
        try folder.write(
            """
            transports: [unix-socket]
            storage: memory
            policies:
              - quotas:
                  memory: 1000
                  soft-memory: 2000
                  domains:
                    0: { nodes: 5 }
                    7: { memory: 1500 }
                    8: { memory: 4000 }
                    9: { soft-memory: 1001 }

            """, to: "c.yaml")
        let file = folder.file("c.yaml")
        let check = try run([built("sxenstored"), "--config-test", "--config", file])
        #expect(check.status == 0)
        let warnings = check.output.split(separator: "\n").filter { $0.hasPrefix("warning: ") }.map {
            String($0.dropFirst(9))
        }
        let end = "is above memory,"
        #expect(warnings.count == 4, "\(check.output)")
        for (warning, expected) in zip(
            warnings,
            [
                "\(file):6:20: policies.quotas.soft-memory: soft-memory, 2000, \(end) 1000: the log will never warn",
                "\(file):8:12: policies.quotas.domains.0: dom0 is exempt from quotas: these limits have no effect",
                "\(file):9:22: policies.quotas.domains.7.memory: soft-memory, 2000, \(end) 1500: the log will never warn",
                "\(file):11:27: policies.quotas.domains.9.soft-memory: soft-memory, 1001, \(end) 1000: the log will never warn",
            ])
        { #expect(warning == expected) }
        let daemon = try Daemon(["--config", file])
        for warning in warnings { #expect(daemon.log.contains("sxenstored: warning: \(warning)\n"), "\(daemon.log)") }
    }

    /// Nobody can wait for what may never come, at the start as little as at SIGHUP.
    @Test(arguments: ["fifo", "folder", "/dev/zero", "/dev/null", "/dev/tty", "loop", "missing", "/dev/stdin"])
    func onlyAFileIsAConfiguration(name: String) throws {
        let path = name.hasPrefix("/") ? name : folder.file(name)
        let check = try run([built("sxenstored"), "--check-config", "--config", path], within: .seconds(10))
        #expect(check.status == 2)
        #expect(check.errors.hasPrefix("\(path): cannot be read: "), "\(check.errors)")
    }

    @Test func aConfigurationThatBecomesAFifoStopsNobody() throws {
        try folder.write("transports: [unix-socket]\nstorage: memory\npolicies: []\n", to: "c.yaml")
        let daemon = try Daemon(["--config", folder.file("c.yaml")])
        unlink(folder.file("c.yaml"))
        mkfifo(folder.file("c.yaml"), 0o600)
        daemon.process.send(SIGHUP)
        try daemon.waitForLog("error: \(folder.file("c.yaml")): cannot be read: it is a fifo, not a file\n")
        #expect(try daemon.connect().ask(.write, "/a\0v") == .ok)
        #expect(try daemon.stop() == 0)
    }
}
