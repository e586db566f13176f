// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// One key in which two configurations differ.
public struct ConfigurationChange: Sendable, Equatable, CustomStringConvertible {
    /// The key with its blocks: `policies.quotas.nodes`. A list of plugins is one value, under the key of the list.
    public var key: String
    /// The values as a file would have them; nil if the key has no value.
    public var old: String?
    public var new: String?

    public var description: String { "\(key): \(old ?? "not set") -> \(new ?? "not set")" }
}

extension EffectiveConfiguration {
    /// The differences between another configuration and this one, in the order of the file. The keys of a plugin count
    /// only if both configurations have the plugin. A plugin that only one of them has is a change of its list.
    public func changes(to other: EffectiveConfiguration) -> [ConfigurationChange] {
        let old = values(of: other)
        let new = other.values(of: self)
        let olds = Dictionary(old.map { ($0.key, $0) }) { $1 }
        let news = Dictionary(new.map { ($0.key, $0) }) { $1 }
        let keys = new.map(\.key) + old.map(\.key).filter { news[$0] == nil }
        return keys.filter { olds[$0] != news[$0] }
            .map { ConfigurationChange(key: $0, old: olds[$0]?.text, new: news[$0]?.text) }
    }

    /// A key with its value. Two secrets differ although their texts do not.
    fileprivate struct Shown: Equatable {
        let key: String
        let text: String
        var secret: Secret?
    }

    /// All keys with a value, except those of plugins that `other` does not have.
    private func values(of other: EffectiveConfiguration) -> [Shown] {
        var values = daemon.shown(Self.daemonKeys, in: "daemon")
        func add(_ choices: [Choice], _ others: [Choice], _ section: String) {
            let names = choices.isEmpty ? "[]" : choices.map(\.name).joined(separator: ", ")
            values.append(Shown(key: section, text: names))
            for choice in choices where others.contains(where: { $0.name == choice.name }) {
                values += choice.block.shown(choice.keys, in: "\(section).\(choice.name)")
            }
        }
        if pluginFiles != other.pluginFiles {
            values.append(Shown(key: "plugins", text: "[\(pluginFiles.joined(separator: ", "))]"))
        }
        add(transports, other.transports, "transports")
        add([storage], [other.storage], "storage")
        add(policies, other.policies, "policies")
        return values + log.shown(Self.logKeys, in: "log")
    }
}

extension ConfigurationBlock {
    /// All keys with a value, as a file would have them.
    fileprivate func shown(_ keys: [ConfigurationKey], in path: String) -> [EffectiveConfiguration.Shown] {
        keys.flatMap { key -> [EffectiveConfiguration.Shown] in
            let path = "\(path).\(key.name)"
            guard case .perDomain(let own) = key.kind else {
                if let secret = secret(key.name) { return [.init(key: path, text: "\(secret)", secret: secret)] }
                return values[key.name].map { [.init(key: path, text: $0.yaml(key.kind))] } ?? []
            }
            return domains(key.name).flatMap { $0.block.shown(own, in: "\(path).\($0.domain)") }
        }
    }
}
