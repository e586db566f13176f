// SPDX-License-Identifier: Apache-2.0
import Configuration
import SharedObjects
import XenStorePlugin

/// What the command line says about the process, beside the configuration.
struct RunOptions {
    /// Whether the daemon goes to the background once clients can connect.
    var forks = true
    /// The absolute path of the file for the process id; nil for none.
    var pidFile: String?
    /// The absolute path of the file for a trace of all messages; nil for none.
    var traceFile: String?
    /// Whether to print the process id on standard output (`-P`).
    var printsPid = false
    /// Where the configuration came from. SIGHUP reads it again.
    var source: ConfigurationSource
    /// All plugins that the configuration may name.
    var plugins = PluginRegistry()
    /// The same, in the words of a message.
    var origin = ""
}

/// The parts that a configuration is made of, so that SIGHUP can read it again.
struct ConfigurationSource {
    /// All plugins that it may name.
    var plugins: PluginRegistry
    /// The absolute path of the file that the command line names. The daemon leaves the folder in which it was started.
    var namedFile: String?
    /// The values of the command line. They override the file each time it is read.
    var overlays: [Overlay]
    var runDirectory: String
    var surroundings: Surroundings

    /// The file to be read; nil for the built-in default. The standard file may appear or vanish while the daemon runs.
    var file: String? { namedFile ?? (surroundings.hasStandardFile() ? surroundings.standardFile : nil) }

    /// Reads the configuration, with the command line's values over it. `origin` says in the words of a message where
    /// it comes from.
    func read() throws(ConfigurationErrors) -> ReadConfiguration {
        let text: ConfigurationText
        let origin: String
        if let file {
            text = try ConfigurationText(file: file)
            origin = file
        } else {
            text = .builtIn(isXenHost: surroundings.isXenHost(), registry: plugins)
            origin = "\(text.name), as there is no \(surroundings.standardFile)"
        }
        let (configuration, plugins) = try reader.readWithPlugins(text, overlays: overlays)
        return ReadConfiguration(configuration: configuration, plugins: plugins, origin: origin)
    }

    /// All plugins that the configuration may name, whatever else is wrong with it.
    func readPlugins() throws(ConfigurationErrors) -> PluginRegistry {
        guard let file else { return plugins }
        return try reader.plugins(of: try ConfigurationText(file: file))
    }

    private var reader: ConfigurationReader {
        ConfigurationReader(registry: plugins, runDirectory: runDirectory, load: SharedObject.register)
    }
}

/// A configuration that was read.
struct ReadConfiguration {
    let configuration: EffectiveConfiguration
    /// All plugins that it may name.
    let plugins: PluginRegistry
    /// In the words of a message: where it comes from.
    let origin: String
}
