// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// Turns the text of a configuration into a checked one. It finds all errors in one go.
public struct ConfigurationReader {
    private let registry: PluginRegistry
    private let runDirectory: String
    private let load: PluginLoader?

    /// - Parameters:
    ///   - registry: the plugins of this program that a configuration may name.
    ///   - runDirectory: the value of `${rundir}`.
    ///   - load: registers the plugin of a shared object; nil if the program uses none.
    public init(registry: PluginRegistry, runDirectory: String, load: PluginLoader? = nil) {
        self.registry = registry
        self.runDirectory = runDirectory
        self.load = load
    }

    /// - Parameters:
    ///   - text: the file.
    ///   - overlays: values that override those of the file, in their order; a later one wins.
    public func read(
        _ text: ConfigurationText, overlays: [Overlay] = []
    ) throws(ConfigurationErrors) -> EffectiveConfiguration {
        try readWithPlugins(text, overlays: overlays).configuration
    }

    /// The same, and all plugins that the configuration may name: those of this program, and those of the shared objects
    /// that the configuration lists.
    public func readWithPlugins(
        _ text: ConfigurationText, overlays: [Overlay] = []
    ) throws(ConfigurationErrors) -> (configuration: EffectiveConfiguration, plugins: PluginRegistry) {
        var (document, errors) = try parse(text)
        for overlay in overlays {
            do {
                try overlay.apply(to: &document)
            } catch {
                errors.append(error)
            }
        }
        var check = ConfigurationCheck(registry: registry, runDirectory: runDirectory, load: load)
        let configuration = check.configuration(from: document)
        errors += check.errors
        guard errors.isEmpty, let configuration else { throw ConfigurationErrors(errors) }
        return (configuration, check.registry)
    }

    /// All plugins that a configuration may name. What else is wrong with it does not matter.
    public func plugins(of text: ConfigurationText) throws(ConfigurationErrors) -> PluginRegistry {
        let (document, _) = try parse(text)
        var check = ConfigurationCheck(registry: registry, runDirectory: runDirectory, load: load)
        _ = check.pluginFiles(document.entries?.first { $0.key == "plugins" }?.value)
        if !check.errors.isEmpty { throw ConfigurationErrors(check.errors) }
        return check.registry
    }

    /// The document as a tree, and those errors in it that leave the rest readable.
    private func parse(
        _ text: ConfigurationText
    ) throws(ConfigurationErrors) -> (DocumentNode, [ConfigurationError]) {
        let flaws = text.flaws()
        guard flaws.isEmpty else { throw ConfigurationErrors(flaws) }
        var found: [ConfigurationError] = []
        do throws(ConfigurationError) {
            var reader = try DocumentReader(text)
            defer { found = reader.errors }
            guard let document = try reader.read(), !document.isAbsent else {
                throw ConfigurationError(
                    "the file is empty; a configuration names at least transports, storage and policies",
                    key: "", at: ConfigurationPlace(file: text.name, line: 1, column: 1))
            }
            return (document, reader.errors)
        } catch {
            throw ConfigurationErrors(found + [error])
        }
    }
}
