// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin

@testable import Configuration
@testable import SXenstored

/// The files under `etc/` against the plugins that are compiled in.
@Suite struct ShippedFilesTests {
    private static let etc = "\(packageFolder)/etc"
    private let reader = ConfigurationReader(registry: .builtIn, runDirectory: "/run/xenstored")

    private func lines(of name: String) throws -> [String] {
        let bytes = try #require(contents(of: "\(Self.etc)/\(name)"))
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(
            String.init)
    }

    @Test func standaloneIsTheEmbeddedDefault() throws {
        let shipped = try reader.read(ConfigurationText(file: "\(Self.etc)/sxenstored-standalone.yaml"))
        #expect(try shipped == reader.read(.builtIn(isXenHost: false)))
    }

    @Test func hostFileIsTheBuiltInDefaultOfAHost() throws {
        let shipped = try reader.read(ConfigurationText(file: "\(Self.etc)/sxenstored.yaml"))
        #expect(shipped.transports.last?.name == "event-channel-ring")
        #expect(try shipped == reader.read(.builtIn(isXenHost: true)))
        _ = try shipped.makePlugins(from: .builtIn)
    }

    /// Guests outlive the daemon there, and nowhere else.
    @Test func aHostKeepsItsStore() throws {
        #expect(try reader.read(.builtIn(isXenHost: false)).storage.name == "memory")
        let storage = try reader.read(.builtIn(isXenHost: true)).storage
        #expect(storage.name == "tdb")
        #expect(storage.block.text("path") == "/run/xenstored/tdb")
        #expect(storage.block.text("when-unwritable") == "go-on")
        var registry = PluginRegistry.builtIn
        registry.storages.removeAll { $0.description.name == "tdb" }
        #expect(try reader.read(.builtIn(isXenHost: true, registry: registry)).storage.name == "memory")
    }

    @Test func withoutTheRingPluginAHostIsServedBySockets() throws {
        var registry = PluginRegistry.builtIn
        registry.transports.removeAll { $0.description.name == "event-channel-ring" }
        let text = ConfigurationText.builtIn(isXenHost: true, registry: registry)
        #expect(try reader.read(text).transports.map(\.name) == ["unix-socket", "read-only-socket"])
        #expect(try reader.read(text).storage.name == "memory")
    }

    /// Every key of every compiled-in plugin stands in the host's file, below its plugin's name, as a
    /// comment with its true default.
    @Test func hostFileShowsEveryKeyWithItsDefault() throws {
        let lines = try lines(of: "sxenstored.yaml")
        for kind in PluginKind.allCases {
            for plugin in PluginRegistry.builtIn.plugins(of: kind) {
                let start = try #require(
                    lines.firstIndex {
                        bare($0) == "\(plugin.name):" || bare($0) == plugin.name || bare($0) == "\(plugin.name): {}"
                    },
                    "sxenstored.yaml does not offer \(plugin.name): `make tables` adds it")
                expectKeys(plugin.keys, of: plugin.name, in: block(lines, from: start))
            }
        }
        expectKeys(
            EffectiveConfiguration.logKeys, of: "log",
            in: block(lines, from: try #require(lines.firstIndex(of: "log:"))))
        expectKeys(
            EffectiveConfiguration.daemonKeys, of: "daemon",
            in: block(lines, from: try #require(lines.firstIndex(of: "daemon:"))))
    }

    private func expectKeys(_ keys: [ConfigurationKey], of owner: String, in lines: [String]) {
        for key in keys {
            let all = lines.filter { bare($0).hasPrefix("\(key.name): ") }
            // What the file sets itself need not be the default.
            if all.contains(where: { !$0.contains("#") }) { continue }
            let shown = all.map { String(bare($0).dropFirst(key.name.count + 2)) }
            guard let value = shown.first else {
                let value = key.defaultValue.map { $0.yaml(key.kind) } ?? key.kind.whatItTakes
                Issue.record(
                    """
                    sxenstored.yaml, \(owner): add these lines, indented as the keys of \(owner) are:
                    # \(key.summary)
                    # \(key.name): \(value)
                    """)
                continue
            }
            switch (key.kind, key.defaultValue) {
            case (.perDomain, _), (_, nil): #expect(!value.isEmpty, "\(owner).\(key.name)")
            case (.path, .text(let path)?): #expect(value == path, "\(owner).\(key.name)")
            case (let kind, let standard?): #expect(value == standard.yaml(kind), "\(owner).\(key.name)")
            }
        }
    }

    /// A line without indentation, comment sign and dash.
    private func bare(_ line: String) -> String {
        String(line.drop { $0 == " " || $0 == "#" || $0 == "-" })
    }

    /// The lines below a name, up to the next line of YAML that is indented no further.
    private func block(_ lines: [String], from start: Int) -> [String] {
        let depth = lines[start].prefix { $0 == " " }.count
        let end = lines[(start + 1)...].firstIndex { line in
            let indent = line.prefix { $0 == " " }.count
            return indent < line.count && indent <= depth && !line.dropFirst(indent).hasPrefix("#")
        }
        return Array(lines[(start + 1)..<(end ?? lines.endIndex)])
    }

    private static let yamlFiles = names(in: etc).filter { $0.hasSuffix(".yaml") }

    /// A line of YAML behind a comment sign, without the sign; nil for others. Prose has a blank before its colon.
    private func uncommented(_ line: String) -> String? {
        guard let match = line.wholeMatch(of: /( *)# ( *)((?:- )?[a-z0-9-]+:(?: .*)?)/) else { return nil }
        return "\(match.1)\(match.2)\(match.3)"
    }

    /// What a file offers after a comment sign must work when the sign is taken away, everywhere at once. A storage
    /// that is offered stands in place of the one that is chosen, one offered storage at a time.
    @Test(arguments: yamlFiles)
    func everyCommentedLineCanBeUsed(name: String) throws {
        let lines = try lines(of: name)
        let storages = try storages(in: lines)
        let chosen = try reader.read(ConfigurationText(file: "\(Self.etc)/\(name)")).storage
        for storage in storages.offered.isEmpty ? [storages.chosen] : storages.offered {
            let others = (storages.offered + [storages.chosen]).filter { $0 != storage }
            let used = lines.indices.filter { index in !others.contains { $0.contains(index) } }
                .map { uncommented(lines[$0]) ?? lines[$0] }
            let configuration = try reader.read(ConfigurationText(used.joined(separator: "\n"), name: name))
            _ = try configuration.makePlugins(from: .builtIn)
            guard name == "sxenstored.yaml" else { continue }
            #expect(configuration.transports[0].block.text("owner") == "root")
            #expect(configuration.pidFile == "/run/xenstored/sxenstored.pid")
            #expect(configuration.policies[1].block.domains("domains").first?.block.number("nodes") == 4000)
            #expect(configuration.storage != chosen)
        }
    }

    /// The lines of each storage in the section `storage:`.
    private func storages(in lines: [String]) throws -> (offered: [Range<Int>], chosen: Range<Int>) {
        let section = try #require(lines.firstIndex { $0.hasPrefix("storage:") })
        let end = section + 1 + block(lines, from: section).count
        let isOffer = { (line: String) in line.hasPrefix("  # ") && uncommented(line)?.hasPrefix("   ") == false }
        let isChoice = { (line: String) in line.wholeMatch(of: #/  [a-z].*/#) != nil }
        let starts = (section + 1..<end).filter { isOffer(lines[$0]) || isChoice(lines[$0]) }
        let ranges = zip(starts, starts.dropFirst() + [end]).map { $0..<$1 }
        return (
            ranges.filter { isOffer(lines[$0.lowerBound]) },
            ranges.first { isChoice(lines[$0.lowerBound]) } ?? section..<section
        )
    }

    /// Every example in a plugin's README works as it stands, once the sections that it leaves out are
    /// there, too. The plugins in Examples are not part of the daemon, and have such a test of their own.
    @Test func examplesOfPluginsWork() throws {
        for kind in names(in: "\(packageFolder)/Plugins") where kind != "Examples" {
            for plugin in names(in: "\(packageFolder)/Plugins/\(kind)") where !plugin.hasSuffix(".md") {
                let file = "Plugins/\(kind)/\(plugin)/README.md"
                let readme = try #require(contents(of: "\(packageFolder)/\(file)"), "\(file)")
                for example in examples(in: String(decoding: readme, as: UTF8.self)) {
                    var text = example
                    for (section, rest) in [
                        ("transports", "[unix-socket]"), ("storage", "memory"), ("policies", "[permissions, quotas]"),
                    ] where !example.split(separator: "\n").contains(where: { $0.hasPrefix("\(section):") }) {
                        text += "\(section): \(rest)\n"
                    }
                    #expect(throws: Never.self, "\(file)") {
                        try reader.read(ConfigurationText(text, name: file)).makePlugins(from: .builtIn)
                    }
                }
            }
        }
    }

    /// What stands between "```yaml" and "```".
    private func examples(in text: String) -> [String] {
        var examples: [String] = []
        var current: String?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line == "```yaml" {
                current = ""
            } else if line == "```", let example = current {
                examples.append(example)
                current = nil
            } else {
                current = current.map { $0 + line + "\n" }
            }
        }
        return examples
    }
}
