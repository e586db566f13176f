// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin

@testable import Configuration
@testable import SXenstored

/// The manual pages against what the daemon says of itself. ``KeyTableTests`` sees to plugins that are missing, and the
/// tests of the configuration to the keys in `etc/sxenstored.yaml`.
@Suite struct ManualTests {
    private func page(_ name: String) throws -> [Substring] {
        try #require(SourceTree.file("packaging/man/\(name)"), "\(name)").lines
    }

    @Test func everyOptionIsExplained() throws {
        let page = try page("sxenstored.8").joined(separator: "\n")
        let options = Set(Help.text(width: 80).matches(of: /--([a-z][a-z-]+)/).map(\.1))
        #expect(options.count > 25)
        for option in options.sorted() {
            #expect(page.contains("Fl -\(option)"), "sxenstored.8 does not explain --\(option)")
        }
    }

    /// What an operator is told to type is what the units have.
    @Test func theRunbookIsAboutTheUnits() throws {
        let page = try page("sxenstored.8").joined(separator: "\n")
        for name in ["sxenstored.service", "xenstored.service.d/sxenstored.conf"] {
            let unit = try #require(SourceTree.file("etc/\(name)"), "\(name)").lines.joined(separator: "\n")
            #expect(page.contains("Pa \(name)"), "sxenstored.8 does not name \(name)")
            let pidFile = try #require(unit.firstMatch(of: /--pid-file (\S+)/), "\(name)").1
            #expect(page.contains("rm -f \(pidFile)\n") && page.contains("kill $(cat \(pidFile))\n"))
            let starts = try #require(unit.firstMatch(of: /StartLimitBurst=(\d+)/), "\(name)").1
            #expect(page.contains("After \(starts) starts within a minute"))
        }
        let unit = try #require(SourceTree.file("etc/sxenstored-restart@.service"))
        #expect(page.contains("Pa sxenstored-restart@.service"), "\(unit.path)")
    }

    @Test func everyKeyStandsWithItsDefault() throws {
        let page = try page("sxenstored.yaml.5")
        expect(EffectiveConfiguration.daemonKeys, in: section(".Sh DAEMON", of: page), "daemon")
        expect(EffectiveConfiguration.logKeys, in: section(".Sh LOG", of: page), "log")
        for kind in PluginKind.allCases {
            for plugin in PluginRegistry.builtIn.plugins(of: kind) {
                expect(plugin.keys, in: section(".Ss \(plugin.name)", of: page), plugin.name)
            }
        }
    }

    private func expect(_ keys: [ConfigurationKey], in section: ArraySlice<Substring>, _ owner: String) {
        for key in keys {
            let item = KeyTables.manualItem(key)
            if section.contains(item[...]) { continue }
            Issue.record(
                "sxenstored.yaml.5, \(owner): add these lines, or correct the line of this key:\n\(item)\n\(key.summary)"
            )
        }
    }

    /// The lines from a heading to the next.
    private func section(_ heading: String, of page: [Substring]) -> ArraySlice<Substring> {
        guard let start = page.firstIndex(of: heading[...]) else { return [] }
        return page[(start + 1)...].prefix { !$0.hasPrefix(".S") }
    }
}
