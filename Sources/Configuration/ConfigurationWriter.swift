// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

extension EffectiveConfiguration {
    /// The configuration as the text of a file, which gives the same configuration again. Keys without a value are
    /// comments in it, so that it shows every key.
    public var yaml: String {
        var writer = YamlWriter()
        if !pluginFiles.isEmpty {
            writer.line("plugins:", 0)
            for file in pluginFiles { writer.line("- \(ConfigurationValue.text(file).yaml(.text))", 1) }
        }
        writer.line("daemon:", 0)
        writer.block(daemon, Self.daemonKeys, indent: 1)
        writer.line("transports:", 0)
        writer.list(transports)
        writer.line("storage:", 0)
        writer.plugin(storage, bullet: "", indent: 1)
        writer.line(policies.isEmpty ? "policies: []" : "policies:", 0)
        writer.list(policies)
        writer.line("log:", 0)
        writer.block(log, Self.logKeys, indent: 1)
        return writer.text
    }
}

private struct YamlWriter {
    private(set) var text = ""

    mutating func line(_ content: String, _ indent: Int) {
        text += String(repeating: "  ", count: indent) + content + "\n"
    }

    mutating func list(_ choices: [EffectiveConfiguration.Choice]) {
        for choice in choices { plugin(choice, bullet: "- ", indent: 1) }
    }

    mutating func plugin(_ choice: EffectiveConfiguration.Choice, bullet: String, indent: Int) {
        let isEmpty = choice.keys.allSatisfy { choice.block.values[$0.name] == nil }
        line("\(bullet)\(choice.name):\(isEmpty ? " {}" : "")", indent)
        block(choice.block, choice.keys, indent: bullet.isEmpty ? indent + 1 : indent + 2)
    }

    mutating func block(
        _ block: ConfigurationBlock, _ keys: [ConfigurationKey], indent: Int, showsUnset: Bool = true
    ) {
        for key in keys {
            switch (block.values[key.name], key.kind) {
            case (nil, _):
                if showsUnset { line("# \(key.name): not set", indent) }
            case (.domains(let domains)?, .perDomain(let domainKeys)):
                line(domains.isEmpty ? "\(key.name): {}" : "\(key.name):", indent)
                for (domain, block) in domains {
                    line(block.values.isEmpty ? "\(domain): {}" : "\(domain):", indent + 1)
                    self.block(block, domainKeys, indent: indent + 2, showsUnset: false)
                }
            case (.secret(let secret)?, let kind):
                line("\(key.name): \(ConfigurationValue.secret(secret).yaml(kind)) # \(secret)", indent)
            case (let value?, let kind):
                line("\(key.name): \(value.yaml(kind))", indent)
            }
        }
    }
}

extension ConfigurationValue {
    /// The value as a file has it after its key.
    func yaml(_ kind: ConfigurationKey.Kind) -> String {
        switch self {
        case .flag(let flag): "\(flag)"
        case .number(let bits) where kind == .mode: octal(bits)
        case .number(let bytes) where kind.isSize: Units.size.written(bytes)
        case .number(let number): "\(number)"
        case .text(let digits) where kind == .mode: digits
        case .text(let text): isSafePlain(text) ? text : doubleQuoted(text)
        case .duration(let duration): duration.written
        case .list(let items): "[\(items.map { $0.yaml(kind.ofItems) }.joined(separator: ", "))]"
        // The file's name is no secret.
        case .secret(let secret): ConfigurationValue.text(secret.file).yaml(.text)
        case .domains: "{}"
        }
    }
}

extension ConfigurationKey.Kind {
    fileprivate var isSize: Bool { if case .size = self { true } else { false } }
    /// What the items of a list are.
    fileprivate var ofItems: ConfigurationKey.Kind { if case .list(let kind) = self { kind } else { self } }
}

private func octal(_ bits: Int) -> String {
    let digits = String(bits, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}

/// Text in a form that every reader of YAML reads as this text.
private func isSafePlain(_ text: String) -> Bool {
    guard let first = text.utf8.first, text != "null" else { return false }
    return isLetterOrSlash(first)
        && text.utf8.allSatisfy { isLetterOrSlash($0) || (0x2D...0x39).contains($0) || $0 == UInt8(ascii: "_") }
}

private func isLetterOrSlash(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "/") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
}

private func doubleQuoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
        switch scalar.value {
        case 0x22, 0x5C: quoted += "\\\(scalar)"
        // Invisible characters: control characters, and the line breaks and the byte order mark of Unicode, which YAML
        // would drop.
        case 0..<0x20, 0x7F...0xA0, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF:
            let digits = String(scalar.value, radix: 16)
            quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: quoted.unicodeScalars.append(scalar)
        }
    }
    return quoted + "\""
}
