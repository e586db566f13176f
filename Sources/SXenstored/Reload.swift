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
        let read = try source.read()
        let (new, origin) = (read.configuration, read.origin)
        // Made once more for what only a plugin itself can find wrong, and dropped.
        for warning in try new.survey(new.makePlugins(from: read.plugins)) { log.write(.warning, "\(warning)") }
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

    /// Hands running plugins of all kinds their new blocks. If one of them refuses its block, those before it get their
    /// old ones again.
    private func takeOver(_ new: EffectiveConfiguration) throws {
        var changed = running
        var done: [Reloading] = []
        for (index, named) in plugins.all.enumerated() {
            let choice = running.choices[index]
            guard let plugin = named.reloadable, var block = new.block(for: choice) else { continue }
            block.log = log.forPlugins.named(choice.name)
            let reloading = Reloading(plugin, from: choice.block)
            do {
                try plugin.reload(block)
            } catch {
                for reloading in done.reversed() { reloading.undo(log) }
                throw error
            }
            done.append(reloading)
            changed.setBlock(block, ofChoice: index)
        }
        running = changed
    }
}

/// A plugin that has taken over a new block, and can have its old one back.
private struct Reloading {
    private let plugin: any Reloadable
    private let old: ConfigurationBlock
    /// Limits that were set at run time. A new block may have ended them.
    private let limits: [LimitSetting]

    init(_ plugin: any Reloadable, from old: ConfigurationBlock) {
        self.plugin = plugin
        self.old = old
        limits = (plugin as? any LimitTable)?.settings ?? []
    }

    func undo(_ log: DaemonLog) {
        do {
            try plugin.reload(old)
            for setting in limits { _ = (plugin as? any LimitTable)?.restore(setting) }
        } catch {
            log.write(.error, "\(error); this was in force before, and is not any more")
        }
    }
}

extension EffectiveConfiguration {
    /// The new block of a plugin that runs; nil if the plugin is not chosen any more.
    fileprivate func block(for running: Choice) -> ConfigurationBlock? {
        choices.first { $0.block.path == running.block.path }?.block
    }

    /// Replaces the block of one of ``choices``.
    fileprivate mutating func setBlock(_ block: ConfigurationBlock, ofChoice index: Int) {
        switch index - transports.count {
        case ..<0: transports[index].block = block
        case 0: storage.block = block
        case let place: policies[place - 1].block = block
        }
    }
}
