// SPDX-License-Identifier: Apache-2.0
import CPlugin
import Configuration
import XenStorePlugin

/// What the note of a shared object says of its plugin: one statement in each line. The header has the list of them.
struct PluginNote {
    private(set) var kind: PluginKind?
    private(set) var name = ""
    private(set) var summary = ""
    private(set) var keys: [ConfigurationKey] = []
    private var abi: Int?

    /// A note that makes no sense, in the words of a message. Its author reads it.
    struct Mistake: Error {
        let text: String
    }

    init(_ text: [UInt8]) throws(Mistake) {
        guard let text = String(validating: text, as: UTF8.self) else {
            throw Mistake(text: "its description is not UTF-8")
        }
        for (index, line) in text.split(separator: "\n").enumerated() {
            let word = line.prefix { $0 != " " }
            let rest = line.dropFirst(word.count + 1)
            do throws(Mistake) {
                try read(String(word), String(rest))
            } catch {
                throw Mistake(text: "line \(index) of its description, '\(word)': \(error.text)")
            }
        }
        guard abi != nil else { throw Mistake(text: "its description does not say which ABI it has") }
        guard kind != nil else { throw Mistake(text: "its description does not say which kind of plugin it is") }
        guard !name.isEmpty else { throw Mistake(text: "its description has no name") }
        for key in keys where key.summary.isEmpty {
            throw Mistake(text: "its description has no summary of the key '\(key.name)'")
        }
    }

    private mutating func read(_ word: String, _ rest: String) throws(Mistake) {
        switch word {
        case "abi": try readABI(rest)
        case "kind": try readKind(rest)
        case "name": name = try PluginNote.name(rest)
        case "summary": if keys.isEmpty { summary = rest } else { keys[keys.count - 1].summary = rest }
        case "key": try begin(key: try PluginNote.name(rest))
        case "type", "default", "required", "dispensable":
            guard !keys.isEmpty else { throw Mistake(text: "there is no key before it") }
            try read(ofKey: word, rest)
        default:
            throw Mistake(text: "is no statement; see sxenstored-plugin.h")
        }
    }

    private mutating func begin(key name: String) throws(Mistake) {
        if keys.contains(where: { $0.name == name }) { throw Mistake(text: "the key '\(name)' stands twice") }
        keys.append(ConfigurationKey(name, .text, default: nil, ""))
    }

    private mutating func readABI(_ text: String) throws(Mistake) {
        guard let number = Int(text) else { throw Mistake(text: "is not a number") }
        guard number == SXP_ABI else {
            throw Mistake(text: "the plugin has ABI \(number), this daemon has \(SXP_ABI); build it again")
        }
        abi = number
    }

    private mutating func readKind(_ text: String) throws(Mistake) {
        switch text {
        case "transport": kind = .transport
        case "storage": kind = .storage
        case "policy": kind = .policy
        default: throw Mistake(text: "must be transport, storage or policy, not '\(text)'")
        }
    }

    private mutating func read(ofKey word: String, _ rest: String) throws(Mistake) {
        let last = keys.count - 1
        switch word {
        case "type":
            // The default was read as a value of another type.
            if keys[last].defaultValue != nil { throw Mistake(text: "must come before the default") }
            keys[last].kind = try KeyType(rest.split(separator: " ").map(String.init)).kind
        case "default":
            guard let value = ConfigurationValue(default: rest, of: keys[last].kind) else {
                throw Mistake(text: "'\(rest)' is no value of the key '\(keys[last].name)'")
            }
            keys[last].defaultValue = value
        case "required": keys[last].isRequired = true
        default: keys[last].isDispensable = true
        }
        if keys[last].isRequired, keys[last].defaultValue != nil {
            throw Mistake(text: "the key '\(keys[last].name)' is required, so it has no default")
        }
    }

    /// A name in a configuration.
    private static func name(_ text: String) throws(Mistake) -> String {
        let letters = (UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"))
        guard (1...64).contains(text.utf8.count), letters.0.contains(text.utf8.first ?? 0),
            text.utf8.allSatisfy({ letters.0.contains($0) || letters.1.contains($0) || $0 == UInt8(ascii: "-") })
        else { throw Mistake(text: "'\(text)' is no name; a name has lower case letters, digits and dashes") }
        return text
    }
}

/// The words after `type`.
private struct KeyType {
    let kind: ConfigurationKey.Kind

    init(_ words: [String]) throws(PluginNote.Mistake) {
        let rest = Array(words.dropFirst())
        switch (words.first, rest.count) {
        case ("text", 0): kind = .text
        case ("path", 0): kind = .path
        case ("device", 0): kind = .device
        case ("flag", 0): kind = .flag
        case ("mode", 0): kind = .mode
        case ("secret", 0): kind = .secret
        case ("choice", 1...): kind = .choice(rest)
        case ("number", 2): kind = .number(try Self.range(words, .number(.min ... .max)))
        case ("size", 2): kind = .size(try Self.range(words, .size(0 ... .max)))
        case ("duration", 2): kind = .duration(try Self.durations(words))
        case ("list", 1...):
            let items = try KeyType(rest).kind
            if case .list = items { throw Self.mistake(words) }
            kind = .list(items)
        default: throw Self.mistake(words)
        }
    }

    private static func mistake(_ words: [String]) -> PluginNote.Mistake {
        .init(text: "'\(words.joined(separator: " "))' is no type of a key; see sxenstored-plugin.h")
    }

    private static func range(
        _ words: [String], _ kind: ConfigurationKey.Kind
    ) throws(PluginNote.Mistake) -> ClosedRange<Int> {
        guard case .number(let least)? = ConfigurationValue(default: words[1], of: kind),
            case .number(let most)? = ConfigurationValue(default: words[2], of: kind), least <= most
        else { throw mistake(words) }
        return least...most
    }

    private static func durations(_ words: [String]) throws(PluginNote.Mistake) -> ClosedRange<Duration> {
        let any = ConfigurationKey.Kind.duration(.zero ... .seconds(1 << 40))
        guard case .duration(let least)? = ConfigurationValue(default: words[1], of: any),
            case .duration(let most)? = ConfigurationValue(default: words[2], of: any), least <= most
        else { throw mistake(words) }
        return least...most
    }
}
