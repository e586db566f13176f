// SPDX-License-Identifier: Apache-2.0
import Configuration
import Glibc
import XenStorePlugin

/// The whole daemon, with the plugins that its author has chosen. It is all that the main file of an executable needs:
///
///     let own = PluginRegistry(transports: [GuestSocket.self, CounterLog.self], policies: [AuditTrail.self])
///     let daemon = Daemon(plugins: .builtIn + own)
///     daemon.run()
///
/// A configuration may name all of its plugins, and everything that the daemon does with a plugin follows from that:
/// checking its keys, `--plugins`, and SIGHUP.
public struct Daemon {
    private let plugins: PluginRegistry

    /// - Parameter plugins: those that a configuration may name. `PluginRegistry.builtIn` are those of this package.
    public init(plugins: PluginRegistry) { self.plugins = plugins }

    /// Does what the command line asks for, and ends the process with the exit status. Call it before the process opens
    /// a file.
    public func run() -> Never {
        Process.fillStandardDescriptors()
        exit(start(CommandLine.arguments))
    }

    /// Does what the command line asks for, and returns the exit status.
    private func start(_ commandLine: [String]) -> Int32 {
        do {
            let invocation = try Invocation(Array(commandLine.dropFirst()), of: plugins, in: .ofThisProcess)
            for notice in invocation.notices { DaemonLog.shared.write(.notice, notice) }
            defer { DaemonLog.shared.flush() }
            switch invocation.action {
            case .say(let text):
                say(text, on: STDOUT_FILENO)
                return EXIT_SUCCESS
            case .report(let text, let isGood):
                say(text, on: STDOUT_FILENO)
                return isGood ? EXIT_SUCCESS : EXIT_FAILURE
            case .run(let configuration, let options):
                return try serve(configuration, options)
            }
        } catch let error as UsageError {
            complain("sxenstored: \(error.message)\nTry 'sxenstored --help'.")
            return 2
        } catch let errors as ConfigurationErrors {
            complain(errors.description)
            return 2
        } catch {
            complain("sxenstored: \(error)")
            return 1
        }
    }
}

/// Writes to standard error, with a priority before each line if that is the journal. It gives up if the reader does
/// not read for a second: the program that started this one waits for its end.
private func complain(_ text: String) {
    let priority = StandardError().isJournal ? "<\(LogLevel.error.syslogPriority)>" : ""
    for line in text.split(separator: "\n") {
        var room = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        guard poll(&room, 1, 1000) > 0 else { return }
        say(priority + line, on: STDERR_FILENO)
    }
}
