// SPDX-License-Identifier: Apache-2.0

/// A plugin as a list of the configuration names it: `unix-socket`, or `unix-socket@admin` if there are several.
struct PluginName {
    let plugin: Substring
    /// What tells it from others of its plugin; nil if nothing does.
    let own: Substring?

    init(_ text: String) {
        let at = text.firstIndex(of: "@")
        plugin = text[..<(at ?? text.endIndex)]
        own = at.map { text[text.index(after: $0)...] }
    }

    /// The same name of another plugin.
    func named(_ plugin: String) -> String { own.map { "\(plugin)@\($0)" } ?? plugin }

    /// Whether the own name is a word that messages, options and the log can have between dots.
    var isWord: Bool {
        guard let own else { return true }
        return (1...32).contains(own.utf8.count) && own.utf8.allSatisfy(Self.isLetter)
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || [UInt8(ascii: "-"), UInt8(ascii: "_")].contains(byte)
    }
}
