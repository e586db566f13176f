// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreKernel

@testable import Configuration
@testable import sxenstored

/// The manual pages against what the daemon says of itself. That `etc/sxenstored.yaml` has the same
/// keys is tested with the configuration.
@Suite struct ManualTests {
    private func page(_ name: String) throws -> [Substring] {
        try #require(SourceTree.file("packaging/man/\(name)"), "\(name)").lines
    }

    @Test func everyOptionIsExplained() throws {
        let page = try page("sxenstored.8").joined(separator: "\n")
        let options = Set(DaemonCommand.helpMessage().matches(of: /--([a-z][a-z-]+)/).map(\.1))
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
            for plugin in PluginRegistry.compiledIn.plugins(of: kind) {
                let section = section(".Ss \(plugin.name)", of: page)
                #expect(!section.isEmpty, "sxenstored.yaml.5 does not explain \(plugin.name)")
                expect(plugin.keys, in: section, plugin.name)
            }
        }
    }

    private func expect(_ keys: [ConfigurationKey], in section: ArraySlice<Substring>, _ owner: String) {
        for key in keys {
            let item = ".It Cm \(key.name)\(standard(key).map { " : \($0)" } ?? "")"
            #expect(section.contains(item[...]), "sxenstored.yaml.5 lacks the line '\(item)' for \(owner)")
        }
    }

    /// A key's default as the file would have it.
    private func standard(_ key: ConfigurationKey) -> String? {
        switch (key.kind, key.defaultValue) {
        case (.perDomain, _), (_, nil): nil
        case (.path, .text(let path)?): path
        case (let kind, let value?): value.yaml(kind)
        }
    }

    /// The lines from a heading to the next.
    private func section(_ heading: String, of page: [Substring]) -> ArraySlice<Substring> {
        guard let start = page.firstIndex(of: heading[...]) else { return [] }
        return page[(start + 1)...].prefix { !$0.hasPrefix(".S") }
    }
}
