// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import XenStorePlugin

@testable import Configuration
@testable import SXenstored

/// What the tree's texts say of plugins, against the plugins themselves. `make tables` writes what a new plugin lacks.
@Suite struct KeyTableTests {
    private static let files = (
        overview: "README.md", manual: "packaging/man/sxenstored.yaml.5", host: "etc/sxenstored.yaml"
    )

    /// All compiled-in plugins that have a folder; ``everyPluginHasAFolder()`` finds the others.
    private static var tables: [KeyTables] {
        PluginKind.allCases.flatMap { kind in
            PluginRegistry.builtIn.plugins(of: kind).compactMap { plugin in
                folder(of: plugin).map { KeyTables(kind: kind, plugin: plugin, folder: $0) }
            }
        }
    }

    /// The folder whose README is headed by the plugin's name.
    private static func folder(of plugin: PluginDescription) -> String? {
        SourceTree.pluginFolders.first { lines(of: "\($0)/README.md").first == "# \(plugin.name)" }
    }

    private static func lines(of file: String) -> [Substring] { SourceTree.file(file)?.lines ?? [] }

    init() throws { try Self.writing.get() }

    /// Once, before the first test.
    private static let writing = Result {
        guard ProcessInfo.processInfo.environment["WRITE_TABLES"] != nil else { return }
        for table in tables {
            try rewrite("\(table.folder)/README.md", table.completed(readme:))
            try rewrite(files.overview, table.completed(overview:))
            try rewrite(files.manual, table.completed(manual:))
            try rewrite(files.host, table.completed(hostFile:))
        }
    }

    private static func rewrite(_ file: String, _ completed: ([Substring]) -> [Substring]) throws {
        let before = lines(of: file)
        let after = completed(before)
        if after == before { return }
        try after.joined(separator: "\n").write(toFile: "\(SourceTree.root)/\(file)", atomically: true, encoding: .utf8)
    }

    @Test func everyPluginHasAFolder() {
        for kind in PluginKind.allCases {
            for plugin in PluginRegistry.builtIn.plugins(of: kind) {
                #expect(
                    Self.folder(of: plugin) != nil,
                    "\(plugin.name): add Plugins/KIND/FOLDER/README.md that begins with '# \(plugin.name)'")
            }
        }
    }

    @Test func readmesHaveAllKeys() {
        #expect(Self.tables.count >= 5)
        for table in Self.tables {
            let file = "\(table.folder)/README.md"
            for problem in table.problems(inReadme: Self.lines(of: file)) {
                Issue.record("\(file), section Keys: \(problem)\n(`make tables` writes the table of a new plugin)")
            }
        }
    }

    @Test func theReadmeListsAllPlugins() {
        let lines = Self.lines(of: Self.files.overview)
        for table in Self.tables where !table.isListed(inOverview: lines) {
            Issue.record("README.md, section Plugins: run `make tables`, or add this row:\n\(table.overviewRow)")
        }
    }

    @Test func theManualHasAllPlugins() {
        let lines = Self.lines(of: Self.files.manual)
        for table in Self.tables where !lines.contains(table.manualHeading[...]) {
            let section = table.manualSection.joined(separator: "\n")
            Issue.record("\(Self.files.manual): run `make tables`, or add this section:\n\(section)")
        }
    }

    @Test func theHostFileOffersAllPlugins() {
        let lines = Self.lines(of: Self.files.host)
        for table in Self.tables where !table.isOffered(in: lines) {
            let offer = table.offer.joined(separator: "\n")
            Issue.record("\(Self.files.host), \(table.kind.section): run `make tables`, or add these lines:\n\(offer)")
        }
    }

    /// A plugin that nobody has written about yet.
    private final class NewTransport: Plugin {
        static let name = "new-transport"
        static let summary = "Clients that come in a new way."
        static let keys = [
            ConfigurationKey("port", .number(1...65535), default: .number(7), "Port that it listens on."),
            ConfigurationKey("token", .text, default: nil, "Word that a client must say first."),
            ConfigurationKey("realm", .text, default: nil, "Where it is.", isRequired: true),
            ConfigurationKey("hosts", .list(.text), default: .list([.text("a"), .text("b c")]), "Who may connect."),
            ConfigurationKey(
                "patience", .duration(.seconds(1) ... .seconds(60)), default: .duration(.seconds(2)), "Time to wait."),
            ConfigurationKey("room", .size(0...1 << 30), default: .number(1 << 16), "Memory."),
            ConfigurationKey("key", .secret, default: nil, "The key."),
        ]
        init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}
    }

    @Test func aNewPluginIsWrittenEverywhere() throws {
        let table = KeyTables(
            kind: .transport, plugin: PluginDescription(NewTransport.self), folder: "Plugins/Transports/New")
        let readme = table.completed(readme: ["# new-transport", "", "## Keys", "", "## Example", ""])
        #expect(readme.contains("| `port` | `7` | Port that it listens on. |"))
        #expect(readme.contains("| `token` | | Word that a client must say first. |"))
        #expect(readme.contains("| `realm` | must be given | Where it is. |"))
        #expect(readme.contains("| `hosts` | `[a, \"b c\"]` | Who may connect. |"))
        #expect(readme.contains("| `patience` | `2s` | Time to wait. |"))
        #expect(readme.contains("| `room` | `64KiB` | Memory. |"))
        #expect(readme.contains("| `key` | | The key. |"))
        #expect(table.problems(inReadme: readme).isEmpty)
        #expect(table.isListed(inOverview: table.completed(overview: Self.lines(of: Self.files.overview))))

        let manual = table.completed(manual: Self.lines(of: Self.files.manual))
        let section = try #require(manual.firstIndex(of: ".Ss new-transport"))
        #expect(manual[section...].dropFirst(3).prefix(2) == [".It Cm port : 7", "Port that it listens on."])
        #expect(manual[section...].contains("This key must be given."))
        #expect(manual[..<section].last { $0.hasPrefix(".Sh ") } == ".Sh TRANSPORTS")

        let host = table.completed(hostFile: Self.lines(of: Self.files.host))
        let offer = try #require(host.firstIndex(of: "  # - new-transport:"))
        #expect(host[..<offer].last { $0.first?.isLetter ?? false } == "transports:")
        let text = host.map { $0 == "  # - new-transport:" ? "  - unix-socket:" : $0 }.joined(separator: "\n")
        #expect(throws: ConfigurationErrors.self, "the offer stands in the list: a socket twice is an error") {
            try ConfigurationReader(registry: .builtIn, runDirectory: "/run").read(
                ConfigurationText(text, name: "x"))
        }
    }

    /// A default that has changed, a key that is new, a key that is gone.
    @Test func aTableThatIsWrongIsNoticed() {
        let table = KeyTables(
            kind: .transport, plugin: PluginDescription(NewTransport.self), folder: "Plugins/Transports/New")
        let rows: [Substring] = ["## Keys", "", "| `port` | `8` | |", "| `gone` | | |"]
        #expect(table.problems(inReadme: rows).count == 8)
    }
}
