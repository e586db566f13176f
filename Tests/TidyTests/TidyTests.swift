// SPDX-License-Identifier: Apache-2.0
import Testing

/// Rules of the house that a compiler doesn't know.
@Suite struct TidyTests {
    private let code = SourceTree.files(in: "Sources", "Plugins")
    private let allSwift = SourceTree.files(in: "Sources", "Plugins", "Tests")

    private func expectNone(_ places: [String], _ complaint: String) {
        #expect(places.isEmpty, "\(complaint):\n\(places.joined(separator: "\n"))")
    }

    private func places(in files: [SourceFile], where matches: (Substring) -> Bool) -> [String] {
        files.flatMap { $0.places(where: matches) }
    }

    @Test func filesAreFound() {
        #expect(code.count > 50)
        #expect(SourceTree.pluginFolders.count >= 5)
    }

    @Test func everyFileNamesItsLicence() {
        let files = allSwift + SourceTree.files(in: "Sources", "Plugins", "Tests", endings: ["c", "h", "py"])
        let without = files.filter {
            !$0.lines.prefix(3).contains { $0.contains("SPDX-License-Identifier: Apache-2.0") }
        }
        expectNone(without.map(\.path), "no SPDX-License-Identifier at the top")
    }

    @Test func noFileIsLong() {
        expectNone(code.filter { $0.lines.count > 501 }.map(\.path), "more than 500 lines: two rooms in one")
    }

    /// Wire <- Plugin <- Kernel <- Engine: the rooms below import nothing from above, and nothing from outside.
    @Test func nothingImportsUpwards() {
        let allowed: [String: Set<Substring>] = [
            "XenStoreWire": [], "XenStorePlugin": ["XenStoreWire"],
            "XenStoreKernel": ["XenStorePlugin", "XenStoreWire"],
            "XenStoreEngine": ["XenStoreKernel", "XenStorePlugin"],
        ]
        for (module, imports) in allowed {
            let files = SourceTree.files(in: "Sources/\(module)")
            #expect(!files.isEmpty, "\(module)")
            let wrong = files.filter { !imports.isSuperset(of: $0.imports) }
            expectNone(wrong.map { "\($0.path): \($0.imports)" }, "\(module) may import only \(imports)")
        }
    }

    /// Foundation would double the daemon and its start. The package needs no other package either.
    @Test func nothingImportsFoundation() throws {
        // The examples are packages of their own.
        let ours = code.filter { !$0.path.hasPrefix(SourceTree.examples) }
        let wrong = ours.filter { !$0.imports.filter { $0.hasPrefix("Foundation") }.isEmpty }
        expectNone(wrong.map(\.path), "imports Foundation")
        let manifest = try #require(SourceTree.file("Package.swift"))
        expectNone(manifest.places { $0.contains(".package(") }, "depends on another package")
    }

    /// Plugins and the rooms that they share do with what an author of a plugin has.
    @Test func onlyTheDaemonImportsTheKernel() {
        let above = ["XenStoreKernel", "XenStoreEngine", "XenStoreTestKit", "PluginConformance", "SXenstored"].map {
            "Sources/\($0)/"
        }
        let files = code.filter { file in !above.contains { file.path.hasPrefix($0) } }
        let wrong = files.filter { !$0.imports.filter { $0 == "XenStoreKernel" || $0 == "XenStoreEngine" }.isEmpty }
        expectNone(wrong.map(\.path), "imports the kernel or the engine: XenStorePlugin is enough for a plugin")
    }

    @Test func pluginsStandAlone() throws {
        let manifest = try #require(SourceTree.file("Package.swift")).lines.joined(separator: "\n")
        let modules = Set(
            manifest.split(separator: ".target(").filter { $0.contains("path: \"Plugins/") }
                .compactMap { $0.firstMatch(of: /name: "(\w+)"/)?.1 })
        #expect(modules.count == SourceTree.pluginFolders.count, "a target for each folder")
        let files = SourceTree.files(in: "Plugins").filter { !modules.isDisjoint(with: $0.imports) }
        expectNone(files.map { "\($0.path): \($0.imports)" }, "a plugin imports another")
    }

    /// No input may stop the daemon: what cannot be is a `precondition` with its reason.
    @Test func noForcedTriesAndNoFatalErrors() {
        let crashes = ["try!", "as!", "fatalError("]
        expectNone(places(in: code) { line in crashes.contains { line.contains($0) } }, "a crash in the making")
    }

    @Test func noOpenTasksAreLeftInComments() {
        // In halves, so that this file passes.
        let marks = ["TO" + "DO", "FIX" + "ME"]
        expectNone(places(in: allSwift) { line in marks.contains { line.contains($0) } }, "unfinished work")
    }

    @Test func linesEndWithText() {
        let texts =
            allSwift + SourceTree.files(in: "Sources", "Plugins", "Tests", endings: ["c", "h", "py"])
            + SourceTree.files(
                in: "Plugins", "etc", "packaging",
                endings: ["md", "yaml", "service", "conf", "preset", "default", "1", "5", "8"])
            + [
                "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "Makefile", "Package.swift", ".ci/run",
                ".editorconfig",
            ].compactMap(SourceTree.file)
        expectNone(places(in: texts) { $0.last == " " || $0.last == "\t" || $0.last == "\r" }, "white space at the end")
    }

    /// A name says what a thing is. The service manager is what systemd calls itself.
    @Test func namesOfTypesAreNotGeneric() {
        let empty = ["Manager", "Helper", "Util"]
        let names = places(in: allSwift) { line in
            guard empty.contains(where: { line.contains($0) }) else { return false }
            let name = line.firstMatch(of: /\b(?:class|struct|enum|actor|protocol|typealias) (\w+)/)?.1
            return name.map { name in name != "ServiceManager" && empty.contains { name.contains($0) } } ?? false
        }
        expectNone(names, "a name that says nothing")
    }

    @Test(arguments: SourceTree.pluginFolders + SourceTree.exampleFolders)
    func everyPluginExplainsItself(folder: String) throws {
        let readme = try #require(SourceTree.file("\(folder)/README.md"))
        let sections = readme.lines.filter { $0.hasPrefix("## ") }.map { $0.dropFirst(3) }
        let more: [Substring] = folder.hasPrefix(SourceTree.examples) ? ["Build", "Tests"] : []
        #expect(sections.starts(with: ["Name", "Description", "Keys", "Example"] + more), "\(folder): \(sections)")
    }

    /// This package builds none of them, and needs none of what they need.
    @Test func examplesStandAlone() throws {
        #expect(SourceTree.exampleFolders.count >= 4)
        let manifest = try #require(SourceTree.file("Package.swift"))
        expectNone(manifest.places { $0.contains(SourceTree.examples) }, "the package has an example")
        let makefile = try #require(SourceTree.file("Makefile"))
        let list = try #require(makefile.lines.first { $0.hasPrefix("EXAMPLES ?=") })
        for folder in SourceTree.exampleFolders {
            #expect(list.split(separator: " ").contains(folder.dropFirst(SourceTree.examples.count)), "\(folder)")
        }
    }
}
