// SPDX-License-Identifier: Apache-2.0
import Testing

/// Words that most readers, who are not native speakers, stumble over, and what to write instead.
@Suite struct WordTests {
    private let hardWords: [(word: Regex<Substring>, instead: String)] = [
        (#/\banew\b/#, "again"),
        (#/\b[Ww]hoever\b/#, "the one who, by name: the daemon, a client, the caller"),
        (#/\bbut for\b/#, "except"),
        (#/\btold of\b/#, "learns of"),
        (#/\bso, too\b/#, "also"),
        (#/\b(?:is|are|was|were|has|have|had) to be\b/#, "must be, or will be"),
        (#/\b[Bb]ehind\b/#, "after"),
        (#/\btaken back\b/#, "undone, or cancelled"),
        (#/\b[Ss]o many\b/#, "this many, or the number"),
        (#/\bmay well\b/#, "may"),
        (#/\b[Ll]ets? go\b/#, "gives up"),
        (#/\b[Ss]ees? to it\b/#, "makes sure"),
        (#/\b[Ww]hom\b/#, "the one who, by name"),
        (#/\bmoment: UInt64/#, "generation: a moment is a time of the clock"),
        (#/\bframe: UInt64/#, "gfn"),
    ]

    private let texts =
        SourceTree.files(
            in: "Sources", "Plugins", "etc", "Tests/Support", "Tests/FakeXen", "Tests/FaultyDisk",
            endings: ["swift", "c", "h", "md", "yaml", "service", "conf"])
        + SourceTree.files(in: "packaging/man", endings: ["1", "5", "8"])
        + ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "Makefile", "Package.swift"]
        .compactMap(SourceTree.file)

    @Test func sentencesUsePlainWords() {
        #expect(texts.count > 100)
        for (word, instead) in hardWords {
            let places = texts.flatMap { $0.places { $0.contains(word) } }
            #expect(places.isEmpty, "write '\(instead)' in:\n\(places.joined(separator: "\n"))")
        }
    }
}
