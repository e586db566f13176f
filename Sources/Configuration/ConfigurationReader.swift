// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// Turns the text of a configuration into a checked one. It finds all errors in one go.
public struct ConfigurationReader {
    private let registry: PluginRegistry
    private let runDirectory: String

    /// - Parameters:
    ///   - registry: the plugins that a configuration may name.
    ///   - runDirectory: the value of `${rundir}`.
    public init(registry: PluginRegistry, runDirectory: String) {
        self.registry = registry
        self.runDirectory = runDirectory
    }

    /// - Parameters:
    ///   - text: the file.
    ///   - overlays: values that override those of the file, in their order; a later one wins.
    public func read(
        _ text: ConfigurationText, overlays: [Overlay] = []
    ) throws(ConfigurationErrors) -> EffectiveConfiguration {
        var (document, errors) = try parse(text)
        for overlay in overlays {
            do {
                try overlay.apply(to: &document)
            } catch {
                errors.append(error)
            }
        }
        var check = ConfigurationCheck(registry: registry, runDirectory: runDirectory)
        let configuration = check.configuration(from: document)
        errors += check.errors
        guard errors.isEmpty, let configuration else { throw ConfigurationErrors(errors) }
        return configuration
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
