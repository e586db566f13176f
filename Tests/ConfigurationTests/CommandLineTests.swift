// SPDX-License-Identifier: Apache-2.0
import Configuration
import Glibc
import Testing
import XenStorePlugin

@testable import SXenstored

/// No file is where a configuration would be looked for.
private let nowhere = Surroundings(standardFile: "/nowhere/x.yaml", runDirectory: nil, currentFolder: "/home/u")
private let etc = "\(packageFolder)/etc"

private func invoke(_ line: String, in surroundings: Surroundings = nowhere) throws -> Invocation {
    try Invocation(line.split(separator: " ").map(String.init), of: .builtIn, in: surroundings)
}

/// The configuration and options that a daemon would run with.
private func running(
    _ line: String, in surroundings: Surroundings = nowhere
) throws -> (EffectiveConfiguration, RunOptions) {
    guard case .run(let configuration, let options) = try invoke(line, in: surroundings).action else {
        throw UsageError("does not run")
    }
    return (configuration, options)
}

private func said(_ line: String, in surroundings: Surroundings = nowhere) throws -> String {
    guard case .say(let text) = try invoke(line, in: surroundings).action else { throw UsageError("says nothing") }
    return text
}

private func usageError(_ line: String) -> String? {
    do {
        _ = try invoke(line)
        return nil
    } catch {
        return (error as? UsageError)?.message
    }
}

private func configurationErrors(_ line: String) -> [String] {
    do {
        _ = try invoke(line)
        return []
    } catch {
        return (error as? ConfigurationErrors)?.all.map(\.description) ?? []
    }
}

@Suite struct CommandLineTests {
    @Test func withoutOptionsTheEmbeddedDefaultRuns() throws {
        let (configuration, options) = try running("")
        #expect(configuration.transports.map(\.name) == ["unix-socket", "read-only-socket"])
        #expect(configuration.storage.name == "memory")
        #expect(configuration.policies.map(\.name) == ["permissions", "quotas"])
        #expect(options.forks)
        #expect(options.pidFile == nil)
        #expect(options.source.file == nil)
    }

    /// dom0 needs its rings; another domain with Xen's files does not, nor does a machine without.
    @Test(arguments: [
        ("control_d\n", true), ("control_d", true), ("x,control_d\n", true), ("", false), ("control_dx\n", false),
    ])
    func aXenHostServesRings(capabilities: String, isHost: Bool) throws {
        let file = "/tmp/sxenstored-capabilities-\(getpid())-\(UInt64.random(in: 0...(.max)))"
        defer { unlink(file) }
        let descriptor = open(file, O_WRONLY | O_CREAT, 0o600)
        _ = capabilities.withCString { write(descriptor, $0, strlen($0)) }
        close(descriptor)
        var there = nowhere
        there.capabilitiesFile = file
        let names = try running("", in: there).0.transports.map(\.name)
        #expect(names == ["unix-socket", "read-only-socket"] + (isHost ? ["event-channel-ring"] : []))
        #expect(try said("--check-config", in: there).contains("for a Xen host") == isHost)
    }

    @Test func theDaemonServesTheToolsPath() throws {
        var there = nowhere
        func path(_ line: String) throws -> String? {
            try running(line, in: there).0.transports[0].block.text("path")
        }
        there.socketPath = "/x/socket"
        #expect(try path("") == "/x/socket")
        #expect(try running("", in: there).0.transports[1].block.text("path") == "/run/xenstored/socket_ro")
        #expect(try path("--set transports.unix-socket.path=/y") == "/y")
        #expect(try path("--config \(packageFolder)/Tests/ConfigurationTests/Golden/path.yaml") == "/z/socket")
        #expect(try path("--config \(etc)/sxenstored.yaml") == "/x/socket")
        #expect(try running("--set transports=read-only-socket", in: there).0.transports.count == 1)
        there.socketPath = "here/socket"
        #expect(try path("") == "/home/u/here/socket")
        there.socketPath = ""
        #expect(try path("") == "/run/xenstored/socket")
    }

    @Test(arguments: [
        "-N -F run/pid -T t", "-NFrun/pid -Tt", "-NF run/pid --trace-file=t",
        "--no-fork --pid-file run/pid --trace-file t", "--pid-file=run/pid -T t -N",
        "-NTt --set daemon.pid-file=/home/u/run/pid",
    ])
    func filesBecomeAbsolute(_ line: String) throws {
        let (configuration, options) = try running(line)
        #expect(!options.forks)
        #expect(options.pidFile == "/home/u/run/pid")
        #expect(configuration.pidFile == "/home/u/run/pid")
        #expect(options.traceFile == "/home/u/t")
    }

    @Test func runDirectoryMovesTheSockets() throws {
        var there = nowhere
        there.runDirectory = "/tmp/xs"
        let (configuration, _) = try running("", in: there)
        #expect(configuration.transports.map { $0.block.text("path") } == ["/tmp/xs/socket", "/tmp/xs/socket_ro"])
        there.runDirectory = "tmp/xs"
        #expect(throws: UsageError("XENSTORED_RUNDIR must be an absolute path, not 'tmp/xs'")) {
            try invoke("", in: there)
        }
        there.runDirectory = ""
        #expect(try running("", in: there).0.transports[0].block.text("path") == "/run/xenstored/socket")
    }

    @Test func standardFileIsReadIfItExists() throws {
        var there = nowhere
        there.standardFile = "\(etc)/sxenstored.yaml"
        #expect(try running("", in: there).1.source.file == there.standardFile)
        // A file that cannot be read is an error, not a reason to run something else.
        there.standardFile = etc
        #expect(throws: ConfigurationErrors.self) { try invoke("", in: there) }
    }

    @Test func namedFileIsReadAndMustExist() throws {
        let (_, options) = try running("--config \(etc)/sxenstored.yaml -N")
        #expect(options.source.file == "\(etc)/sxenstored.yaml")
        #expect(
            configurationErrors("--config no.yaml") == ["/home/u/no.yaml: cannot be read: No such file or directory"])
    }

    @Test func setOverridesTheFile() throws {
        let (configuration, options) = try running(
            "--set policies.quotas.nodes=7 --set=log.level=debug --set storage=memory")
        #expect(configuration.policies[1].block.number("nodes") == 7)
        #expect(configuration.logLevel == .debug)
        // SIGHUP reads the file again; what the command line said must still hold.
        #expect(try options.source.read().configuration == configuration)
    }

    @Test func badValuesOfAllOptionsAreReportedTogether() {
        #expect(
            configurationErrors("-E many -Qnods=3 --set log.level=loud --set transports.unix-socket.pth=/x") == [
                "--set: transports.unix-socket.pth: unknown key; did you mean 'path'?",
                "-E: policies.quotas.nodes: must be a decimal number from 0 to 4294967294, not 'many'",
                "-Q: policies.quotas.nods: unknown key; did you mean 'nodes'?",
                "--set: log.level: must be one of debug, info, notice, warning, error, not 'loud'",
            ])
    }

    #if TDB
        /// What a start would be refused for is said before.
        @Test func checkConfigLooksAtTheStoresPath() throws {
            let slips = ["/etc": "a folder; name a file in it", "/dev/null": "a device", "/etc/passwd": "no store"]
            for (path, what) in slips {
                let line = "--check-config --set storage=tdb --set storage.tdb.path=\(path)"
                #expect(configurationErrors(line) == ["--set: storage.tdb.path: '\(path)' is \(what)"])
            }
        }
    #endif

    @Test(arguments: [
        ("--set log.level", "--set needs path.to.key=value, not 'log.level'"),
        ("--set =x", "--set needs path.to.key=value, not '=x'"),
        ("--set a..b=x", "--set needs path.to.key=value, not 'a..b=x'"),
        ("--set", "--set needs an argument: --set <key=value>"),
        ("-F", "-F needs an argument: -F <file>"),
        ("-NF", "-F needs an argument: -F <file>"),
        ("--no-fork=yes", "--no-fork takes no argument"),
        ("-Z", "unknown option '-Z'"),
        ("-NZ", "unknown option '-Z'"),
        ("--chek-config", "Unknown option '--chek-config'. Did you mean '--check-config'?"),
        ("stray", "Unexpected argument 'stray'"),
        ("-- -N", "Unexpected argument '-N'"),
        ("-Q nodes", "-Q needs what=n, not 'nodes'"),
        ("-q nodes=5", "-q needs memory=n, not 'nodes=5'"),
        ("-Imaybe", "-I takes on or off, not 'maybe'"),
    ])
    func aBadCommandLineIsAnError(_ line: String, _ message: String) {
        #expect(usageError(line) == message)
    }

    @Test(arguments: ["-h", "--help", "-H"])
    func helpShowsExamplesAndOptions(_ line: String) throws {
        let help = try said(line)
        for word in [
            "Examples:", "--check-config --config my.yaml", "XENSTORED_RUNDIR", "--set storage=memory",
            "-E, --entry-nb <n>           --set policies.quotas.nodes=n", "-F, --pid-file <file>",
        ] {
            #expect(help.contains(word), "\(word)")
        }
    }

    @Test func reportingOptionsPrintTheirReport() throws {
        #expect(try said("--version") == "sxenstored \(version)")
        #expect(
            try said("--check-config") == "built-in default, as there is no /nowhere/x.yaml: the configuration is good")
        #expect(try said("--config-test") == said("--check-config"))
        #expect(
            try said("--check-config --config \(etc)/sxenstored.yaml")
                == "\(etc)/sxenstored.yaml: the configuration is good")
        #expect(try said("--plugins") == PluginRegistry.builtIn.listing)
        #expect(try said("--print-config") == running("").0.yaml)
        #expect(usageError("--check-config --plugins") == "--check-config and --plugins exclude each other")
    }

    /// Who asks for help has often made a mistake before.
    @Test(arguments: ["--bogus --help", "-Z -h", "--version --help", "stray -NH"])
    func helpWinsOverMistakes(_ line: String) throws {
        #expect(try said(line).hasPrefix("Usage: sxenstored"))
    }
}

@Suite struct CompatibilityTests {
    @Test(arguments: [
        ("-E 7", "nodes"), ("-E7", "nodes"), ("--entry-nb 7", "nodes"), ("--entry-nb=7", "nodes"), ("-NE7", "nodes"),
        ("-S 7", "node-size"), ("--entry-size=7", "node-size"), ("-W 7", "watches"), ("--watch-nb 7", "watches"),
        ("-t 7", "transactions"), ("--transaction 7", "transactions"), ("-A 7", "node-permissions"),
        ("--perm-nb 7", "node-permissions"), ("-M 7", "path-max"), ("--path-max=7", "path-max"),
        ("-Q transaction-nodes=7", "transaction-nodes"), ("-Qoutstanding=7", "outstanding"),
        ("--quota=memory=7", "memory"),
        ("--quota nodes=7", "nodes"), ("-q memory=7", "soft-memory"), ("--quota-soft=memory=7", "soft-memory"),
    ])
    func optionsSetQuotas(_ line: String, _ key: String) throws {
        let quotas = try running(line).0.policies[1].block
        var expected = try running("").0.policies[1].block
        expected = expected.with(key, .number(7))
        #expect(quotas == expected)
    }

    @Test func verboseSetsTheLevelAndPPrintsThePid() throws {
        #expect(try running("-V").0.logLevel == .debug)
        #expect(try running("--verbose").0.logLevel == .debug)
        #expect(try running("-P").1.printsPid)
        #expect(try !running("").1.printsPid)
    }

    @Test(arguments: [
        "-D", "--no-domain-init", "-I", "-I on", "-Ioff", "--internal-db", "--internal-db off", "--internal-db=off",
        "-K",
        "--keep-orphans", "-R", "--no-recovery", "-e 3", "-e3", "--event=3",
        "-w watch-event=3", "--timeout watch-event=3", "--trace-control=+io", "--trace-control -io",
        "--trace-control=-io", "--config-file /etc/xen/oxenstored.conf", "--disable-socket", "--no-access-log",
        "--reraise-top-level", "--restart",
    ])
    func ignoredOptionsAreReported(_ line: String) throws {
        let invocation = try invoke(line)
        #expect(invocation.notices.count == 1)
        #expect(invocation.notices.first?.contains(" has no effect: ") == true)
        guard case .run(let configuration, let options) = invocation.action else {
            Issue.record("does not run")
            return
        }
        #expect(try configuration == running("").0)
        #expect(options.forks)
    }

    @Test(arguments: ["-U", "--live-update", "--live", "-NU"])
    func liveUpdateIsRefused(_ line: String) {
        #expect(usageError(line)?.contains("live update is not supported") == true)
    }

    @Test func wordAfterOptionalArgumentIsNotConsumed() throws {
        let invocation = try invoke("-I -N")
        guard case .run(_, let options) = invocation.action else {
            Issue.record("does not run")
            return
        }
        #expect(!options.forks)
    }

    /// What launch-xenstore and Debian's init script pass.
    @Test func optionsOfStartScriptsAreUnderstood() throws {
        let (_, options) = try running("--pid-file /run/xen/xenstored.pid -T /var/log/xen/xenstored-trace.log")
        #expect(options.pidFile == "/run/xen/xenstored.pid")
        #expect(options.traceFile == "/var/log/xen/xenstored-trace.log")
        #expect(try running("--pid-file=/run/xenstore.pid").1.pidFile == "/run/xenstore.pid")
    }

    @Test func noTwoOptionsShareAName() {
        let spellings = DaemonOption.all.flatMap(\.spellings)
        #expect(spellings.count > 50)
        #expect(Set(spellings).count == spellings.count)
    }
}
