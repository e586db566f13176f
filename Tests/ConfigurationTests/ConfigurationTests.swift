// SPDX-License-Identifier: Apache-2.0
import Glibc
import Spelling
import Testing
import XenStorePlugin

import struct TestSupport.Randomness

@testable import Configuration

private let smallest = "transports: [unix-socket]\nstorage: memory\npolicies: []\n"

@Suite struct RoundTripTests {
    @Test(arguments: GoldenTests.names)
    func aPrintedConfigurationReadsAsTheSame(_ name: String) throws {
        let bytes = try #require(contents(of: "\(GoldenTests.folder)/\(name).yaml"))
        let reader = ConfigurationReader(registry: .samples, runDirectory: "/run/x y")
        guard let first = try? reader.read(ConfigurationText(bytes: bytes, name: name)) else { return }
        // Paths are printed resolved, so the run directory must not matter any more.
        let second = try ConfigurationReader(registry: .samples, runDirectory: "/elsewhere")
            .read(ConfigurationText(first.yaml, name: "printed"))
        #expect(second == first)
        #expect(second.yaml == first.yaml)
    }

    @Test(
        arguments: [
            "", "~", "null", "true", "0600", "5", "- a", "a: b", "#a", "a #b", " a ", "'", "\"", "\\", "é", "🦀",
            "tab\there", "line\nbreak", "\u{85}\u{2028}\u{FEFF}\u{A0}", "{a}", "[a]", "*a", "&a", "!a", "%a", "@a",
            "`a`", "a:", "?",
            "\u{1}\u{1B}[31m",
        ])
    func anyTextSurvives(_ text: String) throws {
        var first = try readSample(smallest)
        first.transports[0].block = first.transports[0].block.with("owner", .text(text))
        #expect(try readSample(first.yaml) == first)
    }

    @Test func differentConfigurationsDiffer() throws {
        let first = try readSample(smallest)
        #expect(try readSample(smallest, set: ["log.level=debug"]) != first)
        #expect(try readSample(smallest, set: ["transports.unix-socket.mode=0601"]) != first)
        #expect(try readSample("\n\n" + smallest) == first)
    }
}

@Suite struct SurveyTests {
    private func survey(_ path: String) throws -> [String] {
        let text = "transports: [unix-socket]\nstorage:\n  file:\n    path: \(path)\npolicies: []\n"
        let configuration = try readSample(text)
        return try configuration.survey(configuration.makePlugins(from: .samples)).map(\.description)
    }

    @Test func problemsFoundByAPluginHaveAPlace() throws {
        #expect(try survey("/srv/store") == [])
        #expect(try survey("/tmp/store") == ["test.yaml:4:11: storage.file.path: is cleared at each boot"])
        let error = #expect(throws: ConfigurationErrors.self) { try survey("/folder") }
        #expect(error?.description == "test.yaml:4:11: storage.file.path: is a folder")
    }
}

@Suite struct ReadingTests {
    @Test func missingFileSaysWhy() {
        let error = #expect(throws: ConfigurationErrors.self) { try ConfigurationText(file: "/nowhere/x.yaml") }
        #expect(error?.description == "/nowhere/x.yaml: cannot be read: No such file or directory")
    }

    @Test func folderIsNotAFile() {
        let error = #expect(throws: ConfigurationErrors.self) { try ConfigurationText(file: "/") }
        #expect(error?.description == "/: cannot be read: it is a folder, not a file")
    }

    @Test func endlessFileIsRefused() throws {
        let zero = #expect(throws: ConfigurationErrors.self) { try ConfigurationText(file: "/dev/zero") }
        #expect(zero?.description == "/dev/zero: cannot be read: it is a device, not a file")

        let path = "/tmp/sxenstored-large-\(getpid())"
        defer { unlink(path) }
        let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
        // It has no end worth speaking of, and takes no room.
        ftruncate(descriptor, 1 << 40)
        close(descriptor)
        let text = try ConfigurationText(file: path)
        let error = #expect(throws: ConfigurationErrors.self) {
            try ConfigurationReader(registry: .samples, runDirectory: "/run").read(text)
        }
        #expect(error?.description == "\(path): larger than 1048576 bytes; this is not a configuration file")
    }

    @Test func largestFileIsRead() throws {
        let filler = String(repeating: "#", count: ConfigurationText.bytesMax - smallest.utf8.count)
        #expect(errorsOfSample(smallest + filler).isEmpty)
        #expect(errorsOfSample(smallest + filler + "#").count == 1)
    }

    @Test func onlyTheFirstErrorsAreShown() {
        let keys = (1...60).map { "key\($0): 1\n" }.joined()
        let all = errorsOfSample(smallest + keys)
        #expect(all.count == 60)
        let error = #expect(throws: ConfigurationErrors.self) { try readSample(smallest + keys) }
        #expect(error?.description.hasSuffix("\nand 10 more") == true)
    }

    @Test func aliasesStaySmall() {
        // Expanded, this would be 10^9 nodes.
        var text = "l0: &l0 [x,x,x,x,x,x,x,x,x,x]\n"
        for level in 1...8 {
            text += "l\(level): &l\(level) [" + String(repeating: "*l\(level - 1),", count: 10) + "]\n"
        }
        let aliases = errorsOfSample(text + smallest).filter { $0.contains("aliases are not supported") }
        #expect(aliases.count == 80)
    }

    /// Whatever the bytes, there is an answer: a configuration or errors with a place.
    @Test func randomBytesGiveAConfigurationOrErrorsWithAPlace() throws {
        let seed = UInt64.random(in: .min ... .max)
        var noise = Randomness(seed: seed)
        let base = try #require(contents(of: "\(GoldenTests.folder)/full.yaml"))
        let alphabet = Array("\t\n :-{}[]\"'#&*!|>%@`,~?0\u{0}\u{FF}".utf8)
        for _ in 0..<2000 {
            var bytes = base
            for _ in 0..<Int.random(in: 1...4, using: &noise) {
                let at = Int.random(in: 0..<bytes.count, using: &noise)
                switch UInt8.random(in: 0...2, using: &noise) {
                case 0: bytes[at] = alphabet.randomElement(using: &noise) ?? 0
                case 1: bytes.insert(alphabet.randomElement(using: &noise) ?? 0, at: at)
                default: bytes.removeSubrange(at..<min(at + 7, bytes.count))
                }
            }
            do {
                _ = try ConfigurationReader(registry: .samples, runDirectory: "/run")
                    .read(ConfigurationText(bytes: bytes, name: "noise"))
            } catch {
                #expect(!error.all.isEmpty && error.all.allSatisfy { $0.place != nil }, "seed \(seed)")
            }
        }
    }
}

@Suite struct NearestTests {
    @Test(arguments: [
        ("sokcet", "socket", 1), ("socket", "socket", 0), ("sock", "socket", 2), ("", "abc", 3), ("abc", "", 3),
        ("SOFT_memory", "soft-memory", 0), ("kitten", "sitting", 3), ("xnodes", "nodes", 1),
    ])
    func theDistanceCountsSlips(_ a: String, _ b: String, _ expected: Int) {
        #expect(editDistance(Array(a.utf8), Array(b.utf8)) == expected)
        #expect(editDistance(Array(b.utf8), Array(a.utf8)) == expected)
    }

    @Test func onlyNearWordsAreSuggested() {
        let known = ["nodes", "watches", "node-size"]
        #expect(nearest(to: "node", among: known) == "nodes")
        #expect(nearest(to: "nodesize", among: known) == "node-size")
        #expect(nearest(to: "memory", among: known) == nil)
        #expect(nearest(to: "", among: known) == nil)
        #expect(nearest(to: String(repeating: "nodes", count: 1000), among: known) == nil)
    }

    @Test func quotedTextIsShortAndHarmless() {
        #expect(quoted("a\u{1B}[2J\nb") == "'a?[2J?b'")
        #expect(quoted(String(repeating: "x", count: 61)) == "'" + String(repeating: "x", count: 60) + "...'")
    }
}

@Suite struct PluginMakingTests {
    @Test func pluginsAreMadeInTheOrderOfTheFile() throws {
        let configuration = try readSample(
            "transports: [read-only-socket, unix-socket]\nstorage: file\npolicies: [quotas, permissions]\n")
        let plugins = try configuration.makePlugins(from: .samples)
        #expect(plugins.transports.map { type(of: $0).name } == ["read-only-socket", "unix-socket"])
        #expect(plugins.storage is SampleFileStorage)
        #expect(plugins.policies.map { type(of: $0).name } == ["quotas", "permissions"])
    }

    @Test func pluginErrorOnTheCommandLineNamesTheOption() {
        #expect(
            errorsOfSample(smallest, set: ["transports.unix-socket.owner=nobody"])
                == ["--set: transports.unix-socket.owner: nobody would own it"])
    }

    @Test func defaultsReachThePlugin() throws {
        let configuration = try readSample(smallest)
        let block = configuration.transports[0].block
        #expect(block.number("mode") == 0o600)
        #expect(block.text("path") == "/run/xenstored/socket")
        #expect(block.text("owner") == nil)
        #expect(configuration.logLevel == .info)
        #expect(configuration.pidFile == nil)
    }

    /// What a domain's block leaves out must fall back to the limits around it, not to the defaults.
    @Test func domainBlocksHoldOnlyWhatIsGiven() throws {
        let configuration = try readSample(
            """
            transports: [unix-socket]
            storage: memory
            policies:
              - quotas: { watches: 7, domains: { 5: { nodes: 9 } } }
            """)
        let domains = configuration.policies[0].block.domains("domains")
        #expect(domains.map(\.domain) == [5])
        #expect(domains.first?.block.values == ["nodes": .number(9)])
    }
}

@Suite struct ListingTests {
    @Test func everyKeyIsListedWithItsDefault() {
        let listing = PluginRegistry.samples.listing
        for line in [
            "transports:", "  unix-socket", "      mode: permission bits such as 0600; default 0600",
            "      path: an absolute path; default ${rundir}/socket", "      owner: text; not set by default",
            "      when-full: one of refuse, log; default refuse", "          Keys of a domain: nodes, watches.",
            "      nodes: a decimal number from 0 to 1000000; default 1000",
        ] {
            #expect(listing.split(separator: "\n").contains(Substring(line)), "no line '\(line)' in\n\(listing)")
        }
    }
}
