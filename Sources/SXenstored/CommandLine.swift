// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Configuration
import Glibc
import XenStorePlugin

/// The daemon's own options. ``CompatibilityReading`` has already translated those of other daemons.
struct DaemonCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sxenstored",
        abstract: "The XenStore daemon: the tree through which a Xen host and its guests agree on devices.",
        usage: "sxenstored [options]",
        discussion: """
            Runs the plugins that the configuration lists: transports (how clients connect), one storage (where \
            the store is kept) and policies (what clients may do). Without --config it reads \
            /etc/xen/sxenstored.yaml. Without that file it serves two sockets and keeps the store in memory. On a \
            Xen host it also serves rings, and keeps the store in a file in /run/xenstored.

            Examples:
              sxenstored --check-config --config my.yaml
                  reports every error in a file, and changes nothing
              XENSTORED_RUNDIR=/tmp/xs sxenstored --no-fork
                  runs a separate store, on /tmp/xs/socket
              sxenstored --set log.level=debug --set policies.quotas.nodes=2000
                  runs the configured daemon with two values changed
              sxenstored --set storage=memory --print-config
                  shows the configuration that would run, with every key
              sxenstored --plugins
                  shows the plugins that a configuration may list, with all keys and defaults

            Signals: TERM and INT end the daemon, HUP applies changed quotas and log level.
            Exit status: 0 done, or another daemon holds the pid file; 1 failed to run; 2 wrong command line or
            configuration.

            Compatibility: options of xenstored and oxenstored, and what they mean here:
            \(CompatibilityOption.manual)
            """,
        version: "sxenstored \(version)")

    enum Report: EnumerableFlag {
        case checkConfig, printConfig, plugins

        static func help(for report: Report) -> ArgumentHelp? {
            switch report {
            case .checkConfig: "Report every error in the configuration, and exit (0 good, 2 bad)."
            case .printConfig: "Print the configuration with every key in effect, and exit."
            case .plugins: "Print the plugins in this build with all their keys, and exit."
            }
        }
    }

    @Flag(name: [.customShort("N"), .long], help: "Stay in the foreground; log to standard error.")
    var noFork = false

    @Option(name: .long, help: ArgumentHelp("Read this configuration.", valueName: "file"))
    var config: String?

    @Option(
        name: .long, parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Override a value of the file, such as log.level=debug or storage=memory; repeatable.",
            valueName: "path.to.key=value"))
    var set: [String] = []

    @Option(
        name: [.customShort("F"), .long],
        help: ArgumentHelp(
            "Lock this file, and write the process id to it once clients can connect.", valueName: "file"))
    var pidFile: String?

    @Option(
        name: [.customShort("T"), .long],
        help: ArgumentHelp("Write a trace of all messages to this file.", valueName: "file"))
    var traceFile: String?

    @Flag(name: [.customShort("P"), .long], help: "Print the process id once clients can connect.")
    var outputPid = false

    @Flag(exclusivity: .exclusive)
    var report: Report?

    @Option(
        name: .long,
        help: ArgumentHelp("Report what a store's file holds, and exit (0 good, 1 damaged).", valueName: "file"))
    var checkStore: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Repair a damaged store, set the old file aside, and exit.", valueName: "file"))
    var repairStore: String?
}

/// What a command line asks for.
struct Invocation {
    enum Action {
        case run(EffectiveConfiguration, RunOptions)
        /// Prints a text on standard output.
        case say(String)
        /// Prints a text, and exits with success only if the report is good.
        case report(String, isGood: Bool)
    }

    var action: Action
    /// Messages for the log. They are written in any case.
    var notices: [String] = []
}

extension Invocation {
    /// - Parameters:
    ///   - arguments: without the program's name.
    ///   - plugins: all that a configuration may name.
    ///   - surroundings: files and variables.
    /// - Throws: ``UsageError`` or `ConfigurationErrors`.
    init(_ arguments: [String], of plugins: PluginRegistry, in surroundings: Surroundings) throws {
        let compatibility = try CompatibilityReading(arguments)
        let command: DaemonCommand
        do {
            command = try DaemonCommand.parse(compatibility.arguments)
        } catch {
            let isAnswer = DaemonCommand.exitCode(for: error) == .success
            guard isAnswer else { throw UsageError(DaemonCommand.message(for: error)) }
            self.init(action: .say(DaemonCommand.fullMessage(for: error)))
            return
        }
        self.init(
            action: try command.action(of: plugins, over: compatibility.overlays, in: surroundings),
            notices: compatibility.notices)
    }
}

extension DaemonCommand {
    fileprivate func action(
        of plugins: PluginRegistry, over compatible: [Overlay], in surroundings: Surroundings
    ) throws -> Invocation.Action {
        if report == .plugins { return .say(plugins.listing) }
        if let file = checkStore ?? repairStore {
            let inspection = try plugins.inspect(surroundings.absolute(file), checkStore == nil ? .repair : .check)
            return .report(inspection.text, isGood: inspection.isGood)
        }

        let source = ConfigurationSource(
            plugins: plugins, namedFile: config.map(surroundings.absolute),
            overlays: try compatible + overlays(in: surroundings),
            runDirectory: try runDirectory(in: surroundings), surroundings: surroundings)
        let (configuration, origin) = try source.read()
        switch report {
        case .checkConfig:
            let warnings = try configuration.survey(
                configuration.makePlugins(from: plugins), traceFile: traceFile.map(surroundings.absolute))
            let lines = warnings.map { "warning: \($0)" }
            return .say(
                (lines + ["\(origin): the configuration is good"]).joined(separator: "\n"))
        case .printConfig:
            _ = try configuration.makePlugins(from: plugins)
            return .say(configuration.yaml)
        default:
            let options = RunOptions(
                forks: !noFork, pidFile: configuration.pidFile, traceFile: traceFile.map(surroundings.absolute),
                printsPid: outputPid, source: source, origin: origin)
            return .run(configuration, options)
        }
    }

    private func overlays(in surroundings: Surroundings) throws(UsageError) -> [Overlay] {
        var overlays: [Overlay] = []
        for assignment in set {
            guard let overlay = Overlay(assignment, origin: "--set") else {
                throw UsageError("--set needs path.to.key=value, not '\(assignment)'")
            }
            overlays.append(overlay)
        }
        if let pidFile {
            let path = surroundings.absolute(pidFile)
            overlays.append(Overlay(["daemon", "pid-file"], path, origin: "--pid-file"))
        }
        if let path = surroundings.socketPath, !path.isEmpty {
            overlays.append(
                Overlay(
                    ["transports", "unix-socket", "path"], surroundings.absolute(path), origin: "XENSTORED_PATH",
                    yields: true))
        }
        return overlays
    }

    private func runDirectory(in surroundings: Surroundings) throws(UsageError) -> String {
        guard let given = surroundings.runDirectory, !given.isEmpty else { return "/run/xenstored" }
        guard given.hasPrefix("/") else {
            throw UsageError("XENSTORED_RUNDIR must be an absolute path, not '\(given)'")
        }
        return given
    }
}

/// Writes one or more lines for the program that started this one. It ignores errors, as nobody could be told.
func say(_ text: String, on descriptor: Int32) {
    _ = writeAll(Array((text.hasSuffix("\n") ? text : text + "\n").utf8), to: descriptor)
}
