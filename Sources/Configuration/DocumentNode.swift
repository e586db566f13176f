// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// One node of a YAML document, with its place.
struct DocumentNode {
    enum Content {
        /// `isPlain` is false for quoted text, which is never a number, a flag or an absent value.
        case scalar(String, isPlain: Bool)
        case list([DocumentNode])
        case mapping([Entry])
        /// A node that already has an error. It needs no second one.
        case refused
    }

    struct Entry {
        var key: String
        var keyPlace: ConfigurationPlace
        var value: DocumentNode
    }

    var content: Content
    var place: ConfigurationPlace

    /// Whether there is no value: `key:` alone, `~` or `null`.
    var isAbsent: Bool {
        if case .scalar(let text, isPlain: true) = content {
            text.isEmpty || text == "~" || text == "null"
        } else {
            false
        }
    }

    /// The entries of a mapping. A key without a value has an empty mapping.
    var entries: [Entry]? {
        if case .mapping(let entries) = content { return entries }
        return isAbsent ? [] : nil
    }

    /// The kind of the node, in the words of a message.
    var whatItIs: String {
        switch content {
        case .scalar where isAbsent: "nothing"
        case .scalar(let text, _): quoted(text)
        case .list: "a list"
        case .mapping: "a block of keys"
        case .refused: "refused"
        }
    }
}

/// Text from outside in a form that is fit for a message: short, on one line, and harmless to a terminal.
func quoted(_ text: String) -> String {
    var shown = "'"
    for scalar in text.unicodeScalars.prefix(60) {
        let isPrintable = scalar.value >= 0x20 && !(0x7F...0x9F).contains(scalar.value)
        if isPrintable { shown.unicodeScalars.append(scalar) } else { shown += "?" }
    }
    return shown + (text.unicodeScalars.count > 60 ? "...'" : "'")
}
