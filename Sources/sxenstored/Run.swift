// SPDX-License-Identifier: Apache-2.0
import Configuration
import XenStoreKernel

/// Makes the plugins that the configuration names and runs the daemon with them until it is told to
/// end. Returns the exit status.
func run(_ configuration: EffectiveConfiguration, _ options: RunOptions) throws -> Int32 {
    let plugins = try configuration.makePlugins(from: .compiledIn, log: DaemonLog.shared.forPlugins)
    let warnings = try configuration.survey(plugins)
    var serving = ServeOptions(forks: options.forks, pidFile: options.pidFile, logLevel: configuration.logLevel)
    serving.traceFile = options.traceFile
    serving.printsPid = options.printsPid
    serving.warnings = warnings.map(\.description)
    serving.reload = { try reload(plugins, from: options.source) }
    return serve(
        transports: plugins.transports, storage: plugins.storage, policies: plugins.policies, options: serving)
}

/// Reads the configuration again and hands running policies what has changed for them; returns the
/// log level. Whatever is wrong with the new configuration is thrown before anything has changed.
private func reload(_ plugins: PluginSet, from source: ConfigurationSource) throws -> LogLevel {
    let configuration = try source.read()
    // Made once more for what only a plugin itself can find wrong, and dropped.
    _ = try configuration.makePlugins(from: .compiledIn)
    for choice in configuration.policies {
        let running = plugins.policies.first { type(of: $0).name == choice.name }
        try (running as? any Reloadable)?.reload(choice.block)
    }
    return configuration.logLevel
}
