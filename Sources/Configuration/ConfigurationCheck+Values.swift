// SPDX-License-Identifier: Apache-2.0
import Spelling
import XenStorePlugin

extension ConfigurationCheck {
    /// The checked values of a block. Missing keys get their defaults, except in the block of a domain, where a missing
    /// key means the value for all domains.
    mutating func block(
        _ node: DocumentNode?, _ keys: [ConfigurationKey], path: String, fillsIn: Bool = true
    ) -> ConfigurationBlock {
        var values: [String: ConfigurationValue] = [:]
        var places: [String: ConfigurationPlace] = [:]
        if let node {
            for entry in entries(of: node, path: path, keys) {
                guard let key = keys.first(where: { $0.name == entry.key }) else {
                    refuseUnknown(entry, in: path, known: keys.map(\.name))
                    continue
                }
                values[key.name] = value(entry.value, key.kind, path: dotted(path, key.name))
                places[key.name] = entry.value.place
            }
        }
        for key in keys where fillsIn && values[key.name] == nil {
            values[key.name] = defaultValue(of: key)
        }
        return ConfigurationBlock(values, path: path, place: node?.place, places: places)
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
        case (.path, .text(let path)?), (.device, .text(let path)?): .text(substituted(path))
        case (.mode, .text(let digits)?): Int(digits, radix: 8).map { .number($0) }
        case (.perDomain, nil): .domains([])
        default: key.defaultValue
        }
    }

    private func substituted(_ path: String) -> String { replaceRunDirectory(in: path, by: runDirectory) }

    /// The value if it is of the right kind. Otherwise nil, and there is one more error.
    private mutating func value(
        _ node: DocumentNode, _ kind: ConfigurationKey.Kind, path: String
    ) -> ConfigurationValue? {
        if case .refused = node.content { return nil }
        if case .perDomain(let keys) = kind { return domains(node, keys, path: path) }
        guard !node.isAbsent else {
            refuse("has no value; leave the key out for its default", path, node.place)
            return nil
        }
        guard case .scalar(let text, let isPlain) = node.content else {
            refuse("must be \(kind.whatItTakes), not \(node.whatItIs)", path, node.place)
            return nil
        }
        let scalar = Scalar(text: text, isPlain: isPlain, path: path, place: node.place)
        guard !text.utf8.contains(0) else {
            // Quoted text can spell a NUL. The system would end the name there.
            refuse("contains a NUL character", scalar)
            return nil
        }
        switch kind {
        case .text: return .text(text)
        case .path, .device: return self.path(scalar)
        case .flag: return flag(scalar)
        case .number(let range): return number(scalar, range)
        case .mode: return mode(scalar)
        case .choice(let words): return choice(scalar, of: words)
        case .perDomain: return nil
        }
    }

    private struct Scalar {
        var text: String
        var isPlain: Bool
        var path: String
        var place: ConfigurationPlace
    }

    private mutating func refuse(_ problem: String, _ scalar: Scalar, suggestion: String? = nil) {
        refuse(problem, scalar.path, scalar.place, suggestion: suggestion)
    }

    private mutating func path(_ scalar: Scalar) -> ConfigurationValue? {
        let path = substituted(scalar.text)
        if hasVariable(path) {
            refuse("only ${rundir} is replaced in a path, not what is in \(quoted(scalar.text))", scalar)
            return nil
        }
        guard path.hasPrefix("/") else {
            refuse("must be an absolute path, not \(quoted(scalar.text))", scalar)
            return nil
        }
        guard !path.hasSuffix("/") else {
            refuse("must name a file; with a slash at its end \(quoted(scalar.text)) names a folder", scalar)
            return nil
        }
        return .text(path)
    }

    private mutating func flag(_ scalar: Scalar) -> ConfigurationValue? {
        switch (scalar.text, scalar.isPlain) {
        case ("true", true): return .flag(true)
        case ("false", true): return .flag(false)
        default:
            let meant: String? =
                switch scalar.text.lowercased() {
                case "true", "yes", "on", "y", "1": "true"
                case "false", "no", "off", "n", "0": "false"
                default: nil
                }
            let form = scalar.isPlain ? "" : " in quotes"
            refuse(
                "must be true or false, not \(quoted(scalar.text))\(form)", scalar, suggestion: meant)
            return nil
        }
    }

    private mutating func number(_ scalar: Scalar, _ range: ClosedRange<Int>) -> ConfigurationValue? {
        guard scalar.isPlain, isDecimal(scalar.text) else {
            let form = scalar.isPlain ? "" : " in quotes"
            refuse("must be \(range.whatItTakes), not \(quoted(scalar.text))\(form)", scalar)
            return nil
        }
        // A number too large for an Int is out of range as well.
        guard let number = Int(scalar.text), range.contains(number) else {
            refuse("\(scalar.text.prefix(40)) is out of range; must be \(range.whatItTakes)", scalar)
            return nil
        }
        return .number(number)
    }

    /// Reads a plain decimal number. YAML would also read 010 as eight and 1_000 as a thousand.
    private func isDecimal(_ text: String) -> Bool {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard let first = digits.utf8.first, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return false
        }
        return first != 0x30 || text == "0"
    }

    private mutating func mode(_ scalar: Scalar) -> ConfigurationValue? {
        let digits = scalar.text.utf8
        let isOctal = !digits.isEmpty && digits.allSatisfy { (0x30...0x37).contains($0) }
        guard isOctal, digits.count == 4, digits.first == 0x30, let bits = Int(scalar.text, radix: 8) else {
            let meant = isOctal && digits.count == 3 ? "0\(scalar.text)" : nil
            refuse(
                "must be permission bits as four octal digits from 0000 to 0777, not \(quoted(scalar.text))", scalar,
                suggestion: meant)
            return nil
        }
        return .number(bits)
    }

    private mutating func choice(_ scalar: Scalar, of words: [String]) -> ConfigurationValue? {
        guard words.contains(scalar.text) else {
            refuse(
                "must be one of \(words.joined(separator: ", ")), not \(quoted(scalar.text))", scalar,
                suggestion: nearest(to: scalar.text, among: words))
            return nil
        }
        return .text(scalar.text)
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
                guard isDecimal(entry.key), let domain = Int(entry.key), ids.contains(domain) else {
                    refuse("must be a domain id: \(ids.whatItTakes)", path, entry.keyPlace)
                    return nil
                }
                return (domain, block(entry.value, keys, path: path, fillsIn: false))
            })
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
