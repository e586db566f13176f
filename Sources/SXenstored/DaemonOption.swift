// SPDX-License-Identifier: Apache-2.0
import CommandLineOptions

/// An option of the daemon: one of its own, or one of another daemon.
typealias DaemonOption = Option<OptionMeaning>

/// What the daemon does with an option.
enum OptionMeaning: Sendable {
    case help, version
    case noFork, outputPid
    case checkConfig, printConfig, plugins
    case config, set, pidFile, traceFile, checkStore, repairStore, tryPlugin, tryClient
    /// An option of another daemon.
    case compatible(Compatibility)
}

extension DaemonOption {
    /// The daemon's own options.
    static let own: [DaemonOption] = [
        .init("N", "no-fork", does: .noFork, help: "Stay in the foreground; log to standard error."),
        .init(nil, "config", .required("file"), does: .config, help: "Read this configuration."),
        .init(
            nil, "set", .required("key=value"), does: .set,
            help: "Override a value of the file by its path, such as log.level=debug or storage=memory; repeatable."),
        .init(
            "F", "pid-file", .required("file"), does: .pidFile,
            help: "Lock this file, and write the process id to it once clients can connect."),
        .init(
            "T", "trace-file", .required("file"), does: .traceFile, help: "Write a trace of all messages to this file."),
        .init("P", "output-pid", does: .outputPid, help: "Print the process id once clients can connect."),
        .init(
            nil, "check-config", does: .checkConfig,
            help: "Report every error in the configuration, and exit (0 good, 2 bad)."),
        .init(
            nil, "print-config", does: .printConfig, help: "Print the configuration with every key in effect, and exit."
        ),
        .init(nil, "plugins", does: .plugins, help: "Print the plugins in this build with all their keys, and exit."),
        .init(
            nil, "try-plugin", .required("file"), does: .tryPlugin,
            help: "Load a shared object, try its plugin out, report what fails, and exit (0 good, 1 bad)."),
        .init(
            nil, "try-client", .required("command"), does: .tryClient,
            help: "Connect the clients of --try-plugin by this command, whose input and output are the connection."),
        .init(
            nil, "check-store", .required("file"), does: .checkStore,
            help: "Report what a store's file holds, and exit (0 good, 1 damaged)."),
        .init(
            nil, "repair-store", .required("file"), does: .repairStore,
            help: "Repair a damaged store, set the old file aside, and exit."),
        .init(nil, "version", does: .version, help: "Print the version, and exit."),
        .init("h", "help", does: .help, help: "Print this help, and exit."),
    ]

    /// All options that the daemon accepts.
    static let all = own + others
}
