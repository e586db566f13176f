// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import SXenstored

/// The version stands in `Sources/SXenstored/Version.swift`. Whatever else names it must say the same.
@Suite struct VersionTests {
    @Test func theChangelogBeginsWithTheVersion() throws {
        let changelog = try #require(SourceTree.file("CHANGELOG.md"))
        let versions = changelog.lines.compactMap { $0.firstMatch(of: /^## \[(\d.*?)\]/)?.1 }
        let newest = try #require(versions.first)
        #expect(newest == version, "CHANGELOG.md: add a section '## [\(version)]' above that of \(newest)")
    }

    @Test func theDaemonPrintsTheVersion() throws {
        let invocation = try Invocation(["--version"], of: .builtIn, in: Surroundings())
        guard case .say(let text) = invocation.action else {
            Issue.record("says nothing")
            return
        }
        #expect(text == "sxenstored \(version)")
    }

    @Test func manualPagesNameTheVersion() {
        let pages = SourceTree.files(in: "packaging/man", endings: ["1", "5", "8"])
        #expect(pages.count >= 3)
        for page in pages {
            let line = page.lines.first { $0.hasPrefix(".Os") } ?? "no .Os line"
            #expect(line == ".Os sxenstored \(version)", "\(page.path): its .Os line must name the version")
        }
    }
}
