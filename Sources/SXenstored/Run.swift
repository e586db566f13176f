// SPDX-License-Identifier: Apache-2.0
import Configuration
import XenStorePlugin

/// Makes the plugins that the configuration names, and runs the daemon with them until a signal ends it. Returns the
/// exit status.
func serve(_ configuration: EffectiveConfiguration, _ options: RunOptions) throws -> Int32 {
    let plugins = try configuration.makePlugins(from: options.plugins, log: DaemonLog.shared.forPlugins)
    let warnings = try configuration.survey(plugins, traceFile: options.traceFile)
    do throws(ConfigurationError) { try plugins.prepare() } catch { throw ConfigurationErrors([error]) }
    let isUnreachable =
        options.source.surroundings.isXenHost()
        && !configuration.transports.contains { $0.plugin == "event-channel-ring" }
    var serving = ServeOptions(forks: options.forks, pidFile: options.pidFile, logLevel: configuration.logLevel)
    serving.traceFile = options.traceFile
    serving.printsPid = options.printsPid
    serving.warnings = warnings.map(\.description)
    if isUnreachable {
        serving.warnings.append(
            "this is a Xen host, and no transport is event-channel-ring: dom0's kernel and guests are not served")
    }
    serving.greeting = "sxenstored \(version) with \(options.origin): \(configuration.summary)"
    let running = RunningConfiguration(configuration, plugins, from: options.source, log: .shared)
    serving.reload = running.reload
    return serve(plugins, options: serving)
}

extension EffectiveConfiguration {
    /// The names of all plugins that run, on one line.
    fileprivate var summary: String {
        func names(_ choices: [Choice]) -> String {
            choices.isEmpty ? "none" : choices.map(\.name).joined(separator: ", ")
        }
        return "transports \(names(transports)); storage \(storage.name); policies \(names(policies))"
    }
}
