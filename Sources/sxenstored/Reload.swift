// SPDX-License-Identifier: Apache-2.0
import Configuration
import XenStoreKernel

/// The configuration that runs, and how a changed one is taken over (SIGHUP).
final class RunningConfiguration {
    /// What is in force: as at the start, but for what was taken over since.
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

    /// Reads the configuration again, takes over what can change in a running daemon, and says key by key what
    /// was applied and what needs a restart. Whatever is wrong with the new one is thrown before anything has
    /// changed.
    func reload(_ kernel: Kernel) throws {
        let (new, origin) = try source.read()
        // Made once more for what only a plugin itself can find wrong, and dropped.
        for warning in try new.survey(new.makePlugins(from: .compiledIn)) { log.write(.warning, "\(warning)") }
        let changes = running.changes(to: new)
        try kernel.reloadPolicies { try takeOver(new) }
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

    /// Hands running plugins their new blocks. A plugin whose block is refused keeps what it has.
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
