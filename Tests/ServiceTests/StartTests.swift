// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import TestSupport
import Testing

/// The built daemon as shells, init scripts and careless parents start it.
@Suite struct StartTests {
    let folder: TemporaryFolder
    private var socket: String { folder.file("run/socket") }
    private var pidFile: String { folder.file("pid") }

    init() throws { folder = try TemporaryFolder() }

    /// Runs the daemon in the background from a shell; returns what the launcher has said when it has ended.
    private func launch(
        _ options: [String] = [], shell: String = #""$0" "$@" 3>&-"#, environment: [String: String] = [:]
    ) throws -> Outcome {
        // The lifeline stays with the shell.
        try run(
            ["sh", "-c", "\(shell); exit $?", built("sxenstored"), "--pid-file", pidFile] + options,
            environment: environment.merging(["XENSTORED_RUNDIR": folder.file("run")]) { $1 }, within: .seconds(20))
    }

    private func daemonsPid() throws -> pid_t {
        guard let pid = pid_t(folder.text(of: "pid").dropLast()) else { throw Trouble("no pid file") }
        return pid
    }

    /// Ends a daemon that is nobody's child.
    private func end(_ client: RawClient) throws {
        kill(try daemonsPid(), SIGTERM)
        while try client.receive() != nil {}
    }

    // MARK: Descriptors

    @Test(arguments: ["0<&-", "1>&-", "2>&-", "0<&- 1>&-", "0<&- 2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"])
    func closedDescriptorsHarmNobody(redirections: String) throws {
        let store = ["--set", "storage=tdb", "--set", "storage.tdb.path=\(folder.file("tdb"))"]
        let launcher = try launch(
            store + ["--set", "log.level=debug", "-T", folder.file("trace")],
            shell: "\"$0\" \"$@\" 3>&- \(redirections)")
        #expect(launcher.status == 0, "\(launcher.errors)")
        let client = try RawClient(socket)
        for _ in 0..<20 { #expect(try client.ask(.control, "print\0a line of the log\0") == .ok) }
        #expect(try client.ask(.write, "/a\0v") == .ok)
        let pid = try daemonsPid()
        #expect(folder.text(of: "pid") == "\(pid)\n")
        for standard in 0...2 {
            #expect(try sameFile("/proc/\(pid)/fd/\(standard)", "/dev/null"))
        }
        try end(client)
        for file in ["tdb", "trace"] { #expect(!folder.text(of: file).contains("sxenstored: ")) }
    }

    @Test(arguments: ["0<&-", "2>&-", "0<&- 1>&- 2>&-"])
    func closedDescriptorsHarmNobodyInTheForeground(redirections: String) throws {
        let daemon = try Daemon(#"exec "$0" "$@" "# + redirections, folder)
        let client = try RawClient(socket)
        #expect(try client.ask(.control, "print\0a line of the log\0") == .ok)
        #expect(try client.ask(.write, "/a\0v") == .ok)
        #expect(folder.text(of: "pid") == "\(daemon.process.pid)\n")
        #expect(try daemon.stop() == 0)
    }

    // MARK: The launcher

    @Test func thePidGoesIntoAPipe() throws {
        let launcher = try launch(["-P"], shell: #"pid=$("$0" "$@" 3>&-); echo "pid: $pid""#)
        let client = try RawClient(socket)
        #expect(launcher.output == "pid: \(try daemonsPid())\n")
        try end(client)
    }

    @Test func thePidIsPrintedInTheForeground() throws {
        let daemon = try Daemon(["-P"])
        #expect(daemon.log.split(separator: "\n").contains("\(daemon.process.pid)"))
    }

    /// A parent that ignores SIGCHLD leaves that to its children, who then cannot wait for theirs.
    @Test func aDaemonThatFailsIsNoSuccessEvenIfNobodyWaitsForChildren() throws {
        let other = try Daemon(#"exec "$0" "$@""#, folder, [])
        let launcher = try launch(shell: #"env --ignore-signal=CHLD "$0" "$@" 3>&-"#)
        #expect(launcher.status == 1)
        #expect(launcher.errors.contains("error: can't listen on "), "\(launcher.errors)")
        #expect(try other.stop() == 0)
    }

    // MARK: Files

    @Test(arguments: ["-N", ""])
    func aHardenedUmaskLetsTheGroupIn(foreground: String) throws {
        let shell = #"umask 077; exec "$0" "$@""#
        let daemon = try foreground.isEmpty ? nil : Daemon(shell, folder)
        if foreground.isEmpty { #expect(try launch(shell: #"umask 077; "$0" "$@" 3>&-"#).status == 0) }
        for (name, mode) in [("run", 0o755), ("run/socket", 0o600), ("run/socket_ro", 0o660), ("pid", 0o644)] {
            var status = stat()
            #expect(stat(folder.file(name), &status) == 0)
            #expect(status.st_mode & 0o777 == mode_t(mode), "\(name)")
        }
        if let daemon { return #expect(try daemon.stop() == 0) }
        try end(RawClient(socket))
    }

    @Test func thePidFileMayBeInAFolderThatIsMadeLater() throws {
        let daemon = try Daemon(
            #"exec "$0" "$@""#, folder, ["--set", "daemon.pid-file=\(folder.file("run/made/pid"))"])
        #expect(folder.text(of: "run/made/pid") == "\(daemon.process.pid)\n")
        #expect(try daemon.stop() == 0)
    }

    @Test func aPidFileOfAnotherIsLeftAlone() throws {
        let first = try Daemon(#"exec "$0" "$@""#, folder)
        unlink(pidFile)
        try folder.write("somebody else's\n", to: "pid")
        #expect(try first.stop() == 0)
        #expect(folder.text(of: "pid") == "somebody else's\n")
    }

    @Test(arguments: ["mkfifo", "mkdir"])
    func aPidFileMustBeAFile(maker: String) throws {
        _ = try run([maker, pidFile])
        let launcher = try launch(["-N"])
        #expect(launcher.status != 0)
        let reason = maker == "mkdir" ? "is a folder" : "not a regular file"
        #expect(launcher.errors.contains(pidFile) && launcher.errors.contains(reason), "\(launcher.errors)")
    }

    // MARK: Signals

    /// It may log its state one day.
    @Test(arguments: [SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE, SIGIO])
    func aSignalWithoutMeaningEndsNothing(signal: Int32) throws {
        let daemon = try Daemon()
        daemon.process.send(signal)
        let client = try daemon.connect()
        #expect(try client.ask(.write, "/a\0v") == .ok)
        daemon.process.send(SIGHUP)
        try daemon.waitForLog("reloaded")
        #expect(try daemon.stop() == 0)
    }
}

private func sameFile(_ a: String, _ b: String) throws -> Bool {
    var (first, second) = (stat(), stat())
    guard stat(a, &first) == 0, stat(b, &second) == 0 else { throw Trouble.system("look at \(a)") }
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino
}

extension Daemon {
    /// A daemon that a shell becomes, in the run folder of a test.
    fileprivate convenience init(_ shell: String, _ folder: TemporaryFolder, _ options: [String]? = nil) throws {
        try self.init(
            starting: ["sh", "-c", shell, built("sxenstored"), "-N"] + (options ?? ["--pid-file", folder.file("pid")]),
            in: folder, runFolder: "run")
        try awaitReady()
    }
}
