// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// A configuration that has passed all checks. Every default is filled in and every path is resolved.
public struct EffectiveConfiguration: Sendable, Equatable {
    /// One plugin that the configuration chooses, and its block.
    public struct Choice: Sendable, Equatable {
        /// As the configuration has it: `unix-socket`, or `unix-socket@admin` for one of several.
        public var name: String
        /// The name of the plugin itself: `unix-socket`.
        public var plugin: String { String(PluginName(name).plugin) }
        public var block: ConfigurationBlock
        /// All keys of the plugin, so that the configuration can be written in full.
        public var keys: [ConfigurationKey]
    }

    /// The shared objects whose plugins the configuration may name.
    public var pluginFiles: [String]
    public var transports: [Choice]
    public var storage: Choice
    public var policies: [Choice]
    /// The plugins of all kinds, in the order of `PluginSet.all`.
    public var choices: [Choice] { transports + [storage] + policies }
    /// The daemon as a process: ``daemonKeys``.
    public var daemon: ConfigurationBlock
    /// What is logged: ``logKeys``.
    public var log: ConfigurationBlock

    /// The log leaves out lines below this level.
    public var logLevel: LogLevel {
        LogLevel(name: log.text("level") ?? "") ?? .info
    }
    /// The file for the process id; nil for none.
    public var pidFile: String? { daemon.text("pid-file") }

    public static let daemonKeys: [ConfigurationKey] = [
        ConfigurationKey(
            "pid-file", .path, default: nil,
            "The file for the process id, written once clients can connect. It is locked: a second daemon with the "
                + "same file does not start.")
    ]
    public static let logKeys: [ConfigurationKey] = [
        ConfigurationKey(
            "level", .choice(LogLevel.names), default: .text("info"),
            "The log has lines of this level and above: \(LogLevel.names.joined(separator: ", ")).")
    ]
}

extension EffectiveConfiguration {
    /// Makes the chosen plugins. None of them touches the system yet. Each gets `log` under its own name. The method
    /// throws the errors of all plugins together.
    public func makePlugins(
        from registry: PluginRegistry, log: PluginLog = .silent
    ) throws(ConfigurationErrors) -> PluginSet {
        var errors: [ConfigurationError] = []
        let transports = transports.compactMap { make($0, registry.transports, log, &errors) }
        let storage = make(storage, registry.storages, log, &errors)
        let policies = policies.compactMap { make($0, registry.policies, log, &errors) }
        guard errors.isEmpty, let storage else { throw ConfigurationErrors(errors) }
        return PluginSet(transports: transports, storage: storage, policies: policies, names: choices.map(\.name))
    }

    /// Checks the files and devices that the daemon and its plugins need. Throws all errors together, and returns
    /// warnings. `traceFile` is one more file that the daemon makes.
    public func survey(
        _ plugins: PluginSet, traceFile: String? = nil
    ) throws(ConfigurationErrors) -> [ConfigurationError] {
        var errors: [ConfigurationError] = []
        var warnings: [ConfigurationError] = []
        var owners: [String: ConfiguredFile] = [:]
        let trace = traceFile.map {
            ConfiguredFile(path: $0, key: "--trace-file", place: nil, isDispensable: false)
        }
        let all = plugins.all.map(\.plugin)
        let dispensable = zip(choices, all).flatMap { choice, plugin in
            ((plugin as? any Surveying)?.dispensableKeys ?? []).map { dotted(choice.block.path, $0) }
        }
        for file in files + (trace.map { [$0] } ?? []) {
            if let owner = owners.updateValue(file, forKey: file.resolvedPath) {
                errors.append(file.error("is also the file of \(owner.shown); each key needs its own file"))
            }
            guard let problem = file.problem({ warnings.append($0) }) else { continue }
            if file.isDispensable || dispensable.contains(file.key) {
                warnings.append(problem)
            } else {
                errors.append(problem)
            }
        }
        for (choice, plugin) in zip(choices, all) {
            do throws(ConfigurationError) {
                try (plugin as? any Surveying)?.survey { warnings.append(choice.located($0)) }
            } catch {
                let error = choice.located(error)
                // One warning about a key is enough.
                if !errors.contains(where: { $0.key == error.key }) { errors.append(error) }
            }
        }
        if !errors.isEmpty { throw ConfigurationErrors(errors) }
        return warnings
    }

    private func make<Kind>(
        _ choice: Choice, _ registered: [RegisteredPlugin<Kind>], _ log: PluginLog,
        _ errors: inout [ConfigurationError]
    ) -> Kind? {
        do throws(ConfigurationError) {
            guard let plugin = registered.first(where: { $0.description.name == choice.plugin }) else {
                throw ConfigurationError("not in this build", key: choice.block.path, at: choice.block.place)
            }
            var block = choice.block
            block.log = log.named(choice.name)
            return try plugin.make(block)
        } catch {
            errors.append(choice.located(error))
            return nil
        }
    }
}

extension EffectiveConfiguration.Choice {
    /// A plugin's error, with the dotted key and the place if the plugin has left them out.
    fileprivate func located(_ error: ConfigurationError) -> ConfigurationError {
        var error = error
        if block.places[error.key] != nil || keys.contains(where: { $0.name == error.key }) {
            error.place = block.places[error.key] ?? error.place
            error.key = dotted(block.path, error.key)
        }
        error.place = error.place ?? block.place
        return error
    }
}

extension LogLevel {
    static let all: [LogLevel] = [.debug, .info, .notice, .warning, .error]
    static let names = all.map(\.description)

    init?(name: String) {
        guard let index = Self.names.firstIndex(of: name) else { return nil }
        self = Self.all[index]
    }
}
