// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

extension PluginRegistry {
    /// A list of all plugins, with their summaries, keys and defaults, for an operator.
    public var listing: String {
        PluginKind.allCases.map { kind in
            let plugins = plugins(of: kind).map { plugin in
                "  \(plugin.name)\n      \(plugin.summary)\n"
                    + (plugin.file.map { "      From \($0).\n" } ?? "") + keys(plugin.keys, indent: 6)
            }
            return "\(kind.section):\n" + plugins.joined(separator: "\n")
        }.joined(separator: "\n")
    }

    private func keys(_ keys: [ConfigurationKey], indent: Int) -> String {
        let margin = String(repeating: " ", count: indent)
        return keys.map { key in
            var entry = "\(margin)\(key.name): \(key.kind.whatItTakes)\(defaultNote(key))\n"
            entry += "\(margin)    \(key.summary)\n"
            if case .perDomain(let domainKeys) = key.kind {
                let names = domainKeys.map(\.name).joined(separator: ", ")
                entry += "\(margin)    Keys of a domain: \(names).\n"
            }
            return entry
        }.joined()
    }

    private func defaultNote(_ key: ConfigurationKey) -> String {
        if case .perDomain = key.kind { return "" }
        if key.isRequired { return "; must be given" }
        if key.kind == .path, case .text(let path)? = key.defaultValue { return "; default \(path)" }
        return key.defaultValue.map { "; default \($0.yaml(key.kind))" } ?? "; not set by default"
    }
}
