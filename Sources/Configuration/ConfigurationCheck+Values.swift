// SPDX-License-Identifier: Apache-2.0
import Spelling
import XenStorePlugin

extension ConfigurationCheck {
    /// The checked values of a block. Missing keys get their defaults, except in the block of a domain, where a missing
    /// key means the value for all domains.
    mutating func block(
        _ node: DocumentNode?, _ keys: [ConfigurationKey], path: String, at place: ConfigurationPlace? = nil,
        fillsIn: Bool = true
    ) -> ConfigurationBlock {
        var values: [String: ConfigurationValue] = [:]
        var places: [String: ConfigurationPlace] = [:]
        var misspelt: Set<String> = []
        if let node {
            for entry in entries(of: node, path: path, keys) {
                guard let key = keys.first(where: { $0.name == entry.key }) else {
                    if let meant = refuseUnknown(entry, in: path, known: keys.map(\.name)) { misspelt.insert(meant) }
                    continue
                }
                places[key.name] = entry.value.place
                if key.isRequired, entry.value.isAbsent {
                    refuseMissing(key, in: path, entry.value.place)
                } else {
                    values[key.name] = value(entry.value, key.kind, path: dotted(path, key.name))
                }
            }
        }
        for key in keys where fillsIn && values[key.name] == nil {
            values[key.name] = defaultValue(of: key)
            // One error is enough for a key that is misspelt, or has a wrong value.
            guard key.isRequired, places[key.name] == nil, !misspelt.contains(key.name) else { continue }
            refuseMissing(key, in: path, place ?? node?.place)
        }
        return ConfigurationBlock(values, path: path, place: place ?? node?.place, places: places)
    }

    private mutating func refuseMissing(_ key: ConfigurationKey, in path: String, _ place: ConfigurationPlace?) {
        refuse("must be given: \(key.kind.whatItTakes)", dotted(path, key.name), place)
    }

    private mutating func entries(
        of node: DocumentNode, path: String, _ keys: [ConfigurationKey]
    ) -> [DocumentNode.Entry] {
        if let entries = node.entries { return entries }
        if case .refused = node.content { return [] }
        let known = keys.isEmpty ? "which has none" : keys.map(\.name).joined(separator: ", ")
        refuse("must be a block of keys (\(known)), not \(node.whatItIs)", path, node.place)
        return []
    }

    /// A default in the form of a checked value, even if the plugin wrote it in another form.
    private func defaultValue(of key: ConfigurationKey) -> ConfigurationValue? {
        switch (key.kind, key.defaultValue) {
        case (.path, .text(let path)?), (.device, .text(let path)?):
            .text(replaceRunDirectory(in: path, by: runDirectory))
        case (.mode, .text(let digits)?): Int(digits, radix: 8).map { .number($0) }
        case (.perDomain, nil): .domains([])
        case (.secret, _): nil
        default: key.defaultValue
        }
    }

    private static let absence = "has no value; leave the key out for its default"

    /// The value if it is of the right kind. Otherwise nil, and there is one more error.
    mutating func value(
        _ node: DocumentNode, _ kind: ConfigurationKey.Kind, path: String
    ) -> ConfigurationValue? {
        if case .refused = node.content { return nil }
        if case .perDomain(let keys) = kind { return domains(node, keys, path: path) }
        if case .list(let kind) = kind { return list(node, of: kind, path: path) }
        guard !node.isAbsent else {
            refuse(Self.absence, path, node.place)
            return nil
        }
        guard case .scalar(let text, let isPlain) = node.content else {
            refuse("must be \(kind.whatItTakes), not \(node.whatItIs)", path, node.place)
            return nil
        }
        do throws(ConfigurationScalar.Mistake) {
            return try ConfigurationScalar(text: text, isPlain: isPlain, runDirectory: runDirectory).value(of: kind)
        } catch {
            refuse(error.problem, path, node.place, suggestion: error.suggestion)
            return nil
        }
    }

    /// The items that are right. An item has the place of its own, and the key of the list.
    private mutating func list(
        _ node: DocumentNode, of kind: ConfigurationKey.Kind, path: String
    ) -> ConfigurationValue? {
        switch node.content {
        case .list(let items): return .list(items.compactMap { item($0, of: kind, path: path) })
        // An option of the command line has no brackets.
        case .scalar(let text, _) where node.place.line == 0:
            let items = text.split(separator: ",").map {
                DocumentNode(content: .scalar(String($0), isPlain: true), place: node.place)
            }
            return .list(items.compactMap { value($0, kind, path: path) })
        case .refused: return nil
        case .scalar where node.isAbsent:
            refuse(Self.absence, path, node.place)
            return nil
        default:
            let meant: String? = if case .scalar(let text, _) = node.content { "[\(text)]" } else { nil }
            refuse(
                "must be \(ConfigurationKey.Kind.list(kind).whatItTakes), not \(node.whatItIs)", path, node.place,
                suggestion: meant)
            return nil
        }
    }

    private mutating func item(
        _ node: DocumentNode, of kind: ConfigurationKey.Kind, path: String
    ) -> ConfigurationValue? {
        if node.isAbsent {
            refuse("has an item without a value", path, node.place)
            return nil
        }
        return value(node, kind, path: path)
    }

    private mutating func domains(
        _ node: DocumentNode, _ keys: [ConfigurationKey], path: String
    ) -> ConfigurationValue? {
        guard let entries = node.entries else {
            refuse("must be a block of domain ids, not \(node.whatItIs)", path, node.place)
            return nil
        }
        let ids = 0...ConfigurationKey.domainMax
        return .domains(
            entries.compactMap { entry in
                let path = dotted(path, entry.key)
                guard ConfigurationScalar.isDecimal(entry.key), let domain = Int(entry.key), ids.contains(domain) else {
                    refuse("must be a domain id: \(ids.whatItTakes)", path, entry.keyPlace)
                    return nil
                }
                return (domain, block(entry.value, keys, path: path, fillsIn: false))
            })
    }
}

extension ConfigurationValue {
    /// A default as the file would have it; nil if a key of this kind cannot have it. Paths stay as they are, with
    /// `${rundir}`.
    package init?(default text: String, of kind: ConfigurationKey.Kind) {
        var check = ConfigurationCheck(registry: PluginRegistry(), runDirectory: "/")
        let node = DocumentNode(content: .scalar(text, isPlain: true), place: ConfigurationPlace("default"))
        guard let value = check.value(node, kind, path: "") else { return nil }
        switch kind {
        case .path, .device: self = .text(text)
        case .secret: return nil
        default: self = value
        }
    }
}

extension ConfigurationKey {
    /// The largest id that Xen gives to a guest.
    static let domainMax = 32751
}

extension ConfigurationKey.Kind {
    /// The values that the kind allows, in the words of a message or a manual.
    var whatItTakes: String {
        switch self {
        case .text: "text"
        case .path, .device: "an absolute path"
        case .flag: "true or false"
        case .number(let range): range.whatItTakes
        case .mode: "permission bits such as 0600"
        case .choice(let words): "one of \(words.joined(separator: ", "))"
        case .duration(let range):
            "a duration from \(range.lowerBound.written) to \(range.upperBound.written), such as 500ms, 2s or 5m"
        case .size(let range) where range.upperBound == .max:
            "a size of at least \(Units.size.written(range.lowerBound)), such as 64KiB"
        case .size(let range):
            "a size from \(Units.size.written(range.lowerBound)) to \(Units.size.written(range.upperBound)), such as 64KiB"
        case .list(let kind): "a list, of which each item is \(kind.whatItTakes)"
        case .secret: "the path of a file that only its owner may read"
        case .perDomain: "a block of domain ids"
        }
    }
}

extension ClosedRange<Int> {
    var whatItTakes: String {
        upperBound == .max
            ? "a decimal number of at least \(lowerBound)"
            : "a decimal number from \(lowerBound) to \(upperBound)"
    }
}
