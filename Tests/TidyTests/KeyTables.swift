// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

@testable import Configuration

/// What the texts of this tree must say of a plugin: a table in its README, a section of the manual, a block of
/// `etc/sxenstored.yaml`, a row of README.md. All of it follows from the plugin's name, summary and keys.
struct KeyTables {
    let kind: PluginKind
    let plugin: PluginDescription
    /// The plugin's folder, from the package's.
    let folder: String

    private var name: String { plugin.name }

    // MARK: The README of the plugin

    /// What is wrong with the table in the section "Keys", with the rows to be put there.
    func problems(inReadme lines: [Substring]) -> [String] {
        let (start, end) = Self.range(of: "## Keys", in: lines) { $0.hasPrefix("## ") }
        let rows = lines[start..<end].filter { $0.hasPrefix("| `") }
        let unknown = rows.filter { row in !plugin.keys.contains { row.hasPrefix("| `\($0.name)` |") } }
        return plugin.keys.filter { key in !rows.contains { $0.hasPrefix(Self.rowStart(key)) } }
            .map { "add this row to the table of keys, or correct the one of this key:\n\(Self.row($0))" }
            + unknown.map { "remove this row, as the plugin has no such key:\n\($0)" }
    }

    /// The README with a table of all keys, if it has none.
    func completed(readme lines: [Substring]) -> [Substring] {
        let (start, end) = Self.range(of: "## Keys", in: lines) { $0.hasPrefix("## ") }
        if start == end || plugin.keys.isEmpty || lines[start..<end].contains(where: { $0.hasPrefix("|") }) {
            return lines
        }
        let table = ["", "| key | default | meaning |", "|---|---|---|"] + plugin.keys.map(Self.row) + [""]
        return lines[..<start] + table.map { $0[...] } + lines[end...]
    }

    private static func rowStart(_ key: ConfigurationKey) -> String {
        "| `\(key.name)` |\(key.shownDefault.map { " `\($0)`" } ?? (key.isRequired ? " must be given" : "")) | "
    }

    private static func row(_ key: ConfigurationKey) -> String { "\(rowStart(key))\(key.summary) |" }

    // MARK: The list of plugins in README.md

    var overviewRow: String { "\(overviewRowStart)\(plugin.summary) |" }

    private var overviewRowStart: String { "| \(kind) | [`\(name)`](\(folder)/README.md) | " }

    func isListed(inOverview lines: [Substring]) -> Bool { lines.contains { $0.hasPrefix(overviewRowStart) } }

    /// README.md with a row for the plugin after the last of its kind.
    func completed(overview lines: [Substring]) -> [Substring] {
        guard !isListed(inOverview: lines), let last = lines.lastIndex(where: { $0.hasPrefix("| \(kind) | [`") })
        else { return lines }
        return lines[...last] + [overviewRow[...]] + lines[(last + 1)...]
    }

    // MARK: The manual

    var manualHeading: String { ".Ss \(name)" }

    static func manualItem(_ key: ConfigurationKey) -> String {
        ".It Cm \(key.name)\(key.shownDefault.map { " : \($0)" } ?? "")"
    }

    var manualSection: [String] {
        let items = plugin.keys.flatMap {
            [Self.manualItem($0), $0.summary] + ($0.isRequired ? ["This key must be given."] : [])
        }
        return [manualHeading, plugin.summary] + (items.isEmpty ? [] : [".Bl -tag -width Ds"] + items + [".El"])
    }

    /// The manual with a section for the plugin at the end of its kind's.
    func completed(manual lines: [Substring]) -> [Substring] {
        if lines.contains(manualHeading[...]) { return lines }
        let (_, end) = Self.range(of: ".Sh \(kind.section.uppercased())", in: lines) { $0.hasPrefix(".Sh ") }
        return lines[..<end] + manualSection.map { $0[...] } + lines[end...]
    }

    // MARK: etc/sxenstored.yaml

    /// The block as an offer: the plugin runs when the first comment signs are removed.
    var offer: [String] {
        let list = kind == .storage ? "" : "- "
        let start = "  # \(list)\(name):\(plugin.keys.isEmpty ? " {}" : "")"
        let keys = plugin.keys.flatMap { key in
            ["  #     # \(key.summary)", "  #     # \(key.name): \(key.shownDefault ?? key.kind.whatItTakes)"]
        }
        return ["", "  # \(plugin.summary)", start] + keys
    }

    func isOffered(in lines: [Substring]) -> Bool {
        let starts = ["", ":", ": {}"].map { name + $0 }
        return lines.contains { line in starts.contains { $0 == line.drop { " #-".contains($0) } } }
    }

    /// The file with an offer at the end of the section of the plugin's kind.
    func completed(hostFile lines: [Substring]) -> [Substring] {
        if isOffered(in: lines) { return lines }
        let (start, next) = Self.range(of: "\(kind.section):", in: lines) { $0.first?.isLetter ?? false }
        // What stands before the next section at the margin is that one's.
        let end = lines[start..<next].lastIndex { $0.hasPrefix(" ") }.map { $0 + 1 } ?? start
        return lines[..<end] + offer.map { $0[...] } + lines[end...]
    }

    // MARK: Sections

    /// The lines after a heading, up to the next one; none at the end if there is no such heading.
    private static func range(
        of heading: String, in lines: [Substring], isHeading: (Substring) -> Bool
    ) -> (start: Int, end: Int) {
        guard let start = lines.firstIndex(of: heading[...]) else { return (lines.count, lines.count) }
        return (start + 1, lines[(start + 1)...].firstIndex(where: isHeading) ?? lines.count)
    }
}

extension ConfigurationKey {
    /// The default as a file would have it.
    var shownDefault: String? {
        switch (kind, defaultValue) {
        case (.perDomain, _), (_, nil): nil
        case (.path, .text(let path)?): path
        case (let kind, let value?): value.yaml(kind)
        }
    }
}
