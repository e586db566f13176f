// SPDX-License-Identifier: Apache-2.0
import Configuration
import XenStoreEngine
import XenStorePlugin

/// The configuration that runs. SIGHUP applies changes to it.
final class RunningConfiguration {
    /// The values in force: those of the start, with all changes that were applied since.
    private var running: EffectiveConfiguration
    private let plugins: PluginSet
    private let source: ConfigurationSource
    private let log: DaemonLog

    init(
        _ configuration: EffectiveConfiguration, _ plugins: PluginSet, from source: ConfigurationSource, log: DaemonLog
    ) {
        running = configuration
        self.plugins = plugins
        self.source = source
        self.log = log
    }

    /// Reads the configuration again and applies the changes that a running daemon can apply. The log says for each key
    /// whether its change was applied or needs a restart. If the new configuration has an error, the method throws it
    /// before it changes anything.
    func reload(_ engine: Engine) throws {
        let (new, origin) = try source.read()
        // Made once more for what only a plugin itself can find wrong, and dropped.
        for warning in try new.survey(new.makePlugins(from: source.plugins)) { log.write(.warning, "\(warning)") }
        let changes = running.changes(to: new)
        try engine.reloadPolicies { try takeOver(new) }
        running.log = new.log
        log.level = new.logLevel
        let waiting = Set(running.changes(to: new).map(\.key))
        for change in changes {
            let needsRestart = waiting.contains(change.key)
            log.write(
                needsRestart ? .warning : .notice, "\(change)\(needsRestart ? "; this needs a restart" : "; applied")")
        }
        log.write(.notice, "configuration reloaded from \(origin): \(Self.summary(changes.count, waiting.count))")
    }

    private static func summary(_ changes: Int, _ waiting: Int) -> String {
        switch (changes - waiting, waiting) {
        case (0, 0): "nothing has changed"
        case (let applied, 0): "\(applied) changed, all applied"
        case (let applied, let waiting): "\(applied) applied, \(waiting) need a restart"
        }
    }

    /// Hands running plugins their new blocks. A plugin that refuses its new block keeps the old one.
    private func takeOver(_ new: EffectiveConfiguration) throws {
        for choice in new.policies {
            guard let index = running.policies.firstIndex(where: { $0.name == choice.name }),
                let plugin = plugins.policies[index] as? any Reloadable
            else { continue }
            try plugin.reload(choice.block)
            running.policies[index].block = choice.block
        }
    }
}
