// SPDX-License-Identifier: Apache-2.0
import Configuration
import XenStorePlugin

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
        let reading = try CommandLineReading(arguments)
        self.init(action: try reading.action(of: plugins, in: surroundings), notices: reading.notices)
    }
}

extension CommandLineReading {
    fileprivate func action(
        of plugins: PluginRegistry, in surroundings: Surroundings
    ) throws -> Invocation.Action {
        switch question {
        case .help: return .say(Help.text())
        case .version: return .say("sxenstored \(version)")
        case .plugins, .checkConfig, .printConfig, nil: break
        }
        if let file = tryPlugin {
            let trial = PluginTrial(
                file: surroundings.absolute(file), client: tryClient, overlays: overlays, plugins: plugins)
            let (text, isGood) = try trial.run()
            return .report(text, isGood: isGood)
        }
        if tryClient != nil { throw UsageError("--try-client needs --try-plugin") }
        return try action(
            with: ConfigurationSource(
                plugins: plugins, namedFile: config.map(surroundings.absolute),
                overlays: compatible + overlays(in: surroundings),
                runDirectory: try runDirectory(in: surroundings), surroundings: surroundings))
    }

    private func action(with source: ConfigurationSource) throws -> Invocation.Action {
        if question == .plugins { return .say(try source.readPlugins().listing) }
        if let file = checkStore ?? repairStore {
            // A store can be looked at even if the configuration is broken.
            let plugins = (try? source.readPlugins()) ?? source.plugins
            let inspection = try plugins.inspect(
                source.surroundings.absolute(file), checkStore == nil ? .repair : .check)
            return .report(inspection.text, isGood: inspection.isGood)
        }
        let read = try source.read()
        let (configuration, origin) = (read.configuration, read.origin)
        let traceFile = traceFile.map(source.surroundings.absolute)
        switch question {
        case .checkConfig:
            let warnings = try configuration.survey(
                configuration.makePlugins(from: read.plugins), traceFile: traceFile)
            let lines = warnings.map { "warning: \($0)" }
            return .say((lines + ["\(origin): the configuration is good"]).joined(separator: "\n"))
        case .printConfig:
            _ = try configuration.makePlugins(from: read.plugins)
            return .say(configuration.yaml)
        default:
            let options = RunOptions(
                forks: forks, pidFile: configuration.pidFile, traceFile: traceFile, printsPid: printsPid,
                source: source, plugins: read.plugins, origin: origin)
            return .run(configuration, options)
        }
    }

    /// The values of the command line and of the environment, those that win last.
    private func overlays(in surroundings: Surroundings) -> [Overlay] {
        var overlays = overlays
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
