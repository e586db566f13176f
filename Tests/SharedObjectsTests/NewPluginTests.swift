// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// `make new-plugin`, and what it makes in C. `make new-plugin-test` builds what it makes in Swift.
@Suite(.slow) struct NewPluginTests {
    private let workshop: Workshop

    init() throws { workshop = try Workshop() }

    /// An author has the header where `make install-dev` has put it.
    private func make(_ arguments: String...) throws -> Outcome {
        try run(
            ["make", "--silent"] + arguments,
            environment: ["PKG_CONFIG_PATH": workshop.place.file("lib/pkgconfig"), "MAKEFLAGS": ""])
    }

    private func newPlugin(_ arguments: String...) throws -> Outcome {
        try run([Workshop.root + "/packaging/new-plugin"] + arguments)
    }

    @Test(arguments: ["transport", "policy"])
    func whatItMakesInCIsAGoodPlugin(kind: String) throws {
        let folder = workshop.folder.file("new")
        let made = try newPlugin("KIND=\(kind)", "NAME=my-plugin", "OUT=\(folder)", "LANGUAGE=c")
        #expect(made.status == 0, "\(made)")
        let header = try make("-C", Workshop.root, "install-dev", "prefix=\(workshop.place.path)")
        #expect(header.status == 0, "\(header)")
        let test = try make(
            "-C", folder, "test", "CC=\(Preloaded.compiler)", "CFLAGS=-O1 -Wall -Wextra -Werror",
            "SXENSTORED=\(Daemon.binary)")
        #expect(test.status == 0, "\(test)")
        #expect(test.output.hasSuffix("The plugin is good, as far as this shows it.\n"))
        #expect(!test.output.contains("would not load it from here"))
        try theExampleIsTaken(of: folder)
    }

    /// What the README shows to operators.
    private func theExampleIsTaken(of folder: String) throws {
        let readme = TemporaryFolder.text(of: "\(folder)/README.md").split(separator: "\n")
        let example = readme.drop { $0 != "```yaml" }.dropFirst().prefix { $0 != "```" }
        #expect(example.count > 3)
        try workshop.place.write(
            "plugins: [\(folder)/my-plugin.so]\n\(example.joined(separator: "\n"))\n", to: "example.yaml")
        let check = try workshop.ask("--check-config", "--config", workshop.place.file("example.yaml"))
        #expect(check.status == 0, "\(check)")
    }

    @Test(arguments: [
        (["KIND=transport"], "NAME is missing"),
        (["NAME=a", "KIND=widget"], "KIND is transport, storage or policy, not 'widget'"),
        (["NAME=Door", "KIND=policy"], "NAME has lower case letters and digits"),
        (["NAME=quotas", "KIND=policy"], "sxenstored has a plugin 'quotas' already"),
        (["NAME=peer", "KIND=policy"], "sxenstored has a type or a module with the name Peer already"),
        (["NAME=a", "KIND=policy", "LANGUAGE=c"], "a plugin in C is a folder outside of this tree"),
        (["NAME=a", "KIND=policy", "OUT=/"], "'/' exists already, and is not empty"),
        (["NAME=a", "KIND=policy", "OUT=\(Workshop.root)/Tests/A"], "is inside of this tree"),
        (["COLOUR=red"], "'COLOUR=red' is unknown"),
    ])
    func whatItCannotDoIsSaid(arguments: [String], message: String) throws {
        let outcome = try run([Workshop.root + "/packaging/new-plugin"] + arguments)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("new-plugin: ") && outcome.errors.contains(message), "\(outcome)")
        #expect(access("\(Workshop.root)/Tests/A", F_OK) != 0, "it makes nothing")
    }

    /// In the tree it touches two files. Both stay in good form, and so does what it makes.
    @Test func inTheTreeItAddsTargetsAndLines() throws {
        let tree = workshop.place.file("tree")
        let parts = ["Package.swift", "Sources", "Plugins", "packaging", ".swift-format"].map {
            Workshop.root + "/" + $0
        }
        #expect(mkdir(tree, 0o700) == 0 && mkdir("\(tree)/Tests", 0o700) == 0)
        #expect(try run(["cp", "-r"] + parts + [tree]).status == 0)
        for kind in ["transport", "storage", "policy"] {
            let made = try run(["\(tree)/packaging/new-plugin", "KIND=\(kind)", "NAME=my-\(kind)"])
            #expect(made.status == 0, "\(made)")
        }
        let lint = try run(
            ["swift", "format", "lint", "--strict", "--recursive"]
                + ["Package.swift", "Sources/SXenstored", "Plugins", "Tests"].map { "\(tree)/\($0)" })
        #expect(lint.status == 0, "\(lint)")
        let manifest = try run(["swift", "package", "--package-path", tree, "dump-package"])
        #expect(manifest.status == 0, "\(manifest)")
        let list = TemporaryFolder.text(of: "\(tree)/Sources/SXenstored/Plugins.swift")
        for type in ["MyTransport", "MyStorage", "MyPolicy"] {
            #expect(manifest.output.contains("\"\(type)Tests\""))
            #expect(list.contains("import \(type)\n") && list.contains(" \(type).self,\n"))
        }
    }
}
