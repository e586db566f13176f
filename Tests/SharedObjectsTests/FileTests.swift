// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// What the daemon says of a shared object before it runs any of it.
@Suite struct SharedFileTests {
    private let workshop: Workshop

    init() throws { workshop = try Workshop() }

    private func check(_ files: [String], transports: String = "unix-socket") throws -> Outcome {
        try workshop.ask("--check-config", "--config", workshop.configure(files, transports: transports))
    }

    /// What is wrong with a file, without the place before it.
    private func problem(_ file: String) throws -> String {
        let outcome = try check([file])
        let prefix = "\(workshop.place.file("c.yaml")):1:11: plugins: '\(file)': "
        guard outcome.status == 2, outcome.errors.hasPrefix(prefix) else { return "\(outcome)" }
        return String(outcome.errors.dropFirst(prefix.count).dropLast())
    }

    @Test func itsKeysAreCheckedWithoutRunningIt() throws {
        let trace = workshop.place.file("ran")
        let file = try workshop.make("gate", ["RUNS_AT_ONCE=\"\(trace)\""])
        let outcome = try check([file], transports: "unix-socket, gate: {tokn: abcd, patience: 0s}")
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("c.yaml:2:34: transports.gate.tokn: unknown key; did you mean 'token'?\n"))
        #expect(outcome.errors.contains("transports.gate.patience: 0s is out of range; must be a duration from 1ms"))
        #expect(try check([file], transports: "unix-socket, gate: {token: abcd}").status == 0)
        let printed = try workshop.ask("--print-config", "--config", workshop.place.file("c.yaml"))
        #expect(printed.output.hasPrefix("plugins:\n  - \(file)\n"))
        #expect(
            printed.output.contains(
                "  - gate:\n      path: \(workshop.place.file("gate"))\n      token: abcd\n      domain: 5\n"))
        let listing = try workshop.ask("--plugins", "--config", workshop.place.file("c.yaml"))
        #expect(listing.output.contains("  gate\n      A socket that opens for a token.\n      From \(file).\n"))
        #expect(listing.output.contains("      token: text; must be given\n"))
        #expect(access(trace, F_OK) != 0, "nothing of the file has run")
    }

    @Test func aNameThatIsNotThereGetsTheNearestOne() throws {
        let outcome = try check([workshop.make("gate")], transports: "unix-socket, gat: {token: abcd}")
        #expect(outcome.errors.contains("transports.gat: no such plugin in this build; there are:"), "\(outcome)")
        #expect(outcome.errors.contains("did you mean 'gate'?"))
    }

    @Test(arguments: [
        ("\"kind transport\\nname x\\nsummary X.\\nfoo\\n\"", "line 4 of its description, 'foo': is no statement"),
        ("\"kind transport\\nname x\\nsummary X.\\nkey a\\ntype number 5 1\\n\"", "'number 5 1' is no type of a key"),
        ("\"kind transport\\nname x\\nsummary X.\\nkey a\\ntype flag\\ndefault maybe\\n\"", "'maybe' is no value of"),
        ("\"kind transport\\nname X\\n\"", "'X' is no name; a name has lower case letters, digits and dashes"),
        ("\"kind window\\nname x\\n\"", "must be transport, storage or policy, not 'window'"),
        ("\"name x\\n\"", "its description does not say which kind of plugin it is"),
        ("\"kind transport\\nname x\\ntype flag\\n\"", "there is no key before it"),
        ("\"kind transport\\nname x\\nkey a\\ntype flag\\n\"", "its description has no summary of the key 'a'"),
        (
            "\"kind transport\\nname x\\nkey a\\nsummary A.\\nkey a\\n\"",
            "line 5 of its description, 'key': the key 'a' stands twice"
        ),
        (
            "\"kind transport\\nname x\\nkey a\\ndefault 5\\ntype number 1 9\\n\"",
            "'type': must come before the default"
        ),
        ("\"abi 7\\nkind transport\\nname x\\n\"", "the plugin has ABI 7, this daemon has 0; build it again"),
        (
            "\"kind transport\\nname unix-socket\\nsummary X.\\n\"",
            "its plugin has the name 'unix-socket', as one of this"
        ),
    ])
    func aWrongDescriptionIsExplained(text: String, problem: String) throws {
        let file = try workshop.make("gate", ["DESCRIPTION=\(text)"])
        let found = try self.problem(file)
        #expect(found.contains(problem), "\(found)")
    }

    // MARK: Files

    @Test func aMissingFileIsNamed() throws {
        let file = workshop.folder.file("none.so")
        #expect(try problem(file) == "cannot open '\(file)': No such file or directory")
    }

    @Test func aFolderIsNoPlugin() throws {
        #expect(try problem(workshop.folder.path) == "is a folder; name a file in it")
    }

    @Test func aLinkIsNotFollowed() throws {
        let file = try workshop.make("gate")
        let link = workshop.folder.file("link.so")
        symlink(file, link)
        #expect(try problem(link) == "'\(link)' is a link, which somebody could change; name the file itself")
        let folder = workshop.folder.file("folder")
        symlink(workshop.folder.path, folder)
        #expect(try problem("\(folder)/gate.so").hasPrefix("'\(folder)' is a link"))
    }

    @Test func aFileThatOthersCanWriteIsRefused() throws {
        let file = try workshop.make("gate")
        chmod(file, 0o666)
        #expect(try problem(file) == "others can write '\(file)' (mode 0666); only root may")
    }

    @Test func aFolderThatOthersCanWriteIsRefused() throws {
        let file = try workshop.make("gate")
        chmod(workshop.folder.path, 0o777)
        defer { chmod(workshop.folder.path, 0o700) }
        #expect(try problem(file).contains("others can write the folder '\(workshop.folder.path)' (mode 0777)"))
    }

    @Test func aFileOfAnotherUserIsRefused() throws {
        if geteuid() != 0 { return }
        let file = try workshop.make("gate")
        chown(file, 1234, 0)
        #expect(try problem(file) == "'\(file)' belongs to user 1234; it must belong to root")
    }

    @Test func aRunPathIsRefused() throws {
        let file = try workshop.make("gate", linking: ["-Wl,-rpath,/tmp"])
        #expect(try problem(file).hasPrefix("has a RUNPATH"))
    }

    @Test(arguments: [0, 3, 63, 64, 200, 1000])
    func aFileThatIsCutOffIsRefused(length: Int) throws {
        let file = try workshop.make("gate")
        truncate(file, off_t(length))
        let problem = try self.problem(file)
        #expect(problem.hasPrefix("is not a shared object") || problem.hasPrefix("is damaged"), "\(problem)")
    }

    @Test func aProgramOrATextIsNoPlugin() throws {
        let text = workshop.folder.file("text.so")
        try workshop.folder.write(
            "hello, this is a text that is longer than the header of a program or library", to: "text.so")
        chmod(text, 0o644)
        #expect(try problem(text) == "is not a shared object")
        let library = try workshop.make("empty")
        #expect(try problem(library) == "is no plugin: it has no description (SXP_DESCRIBE)")
    }

    // MARK: Tables, which are seen when the daemon runs

    @Test(arguments: [
        ("TABLE=", "has no table of functions 'sxp_plugin' (SXP_EXPORT)"),
        ("TABLE=const uint32_t sxp_plugin[2] = {0, sizeof(struct sxp_plugin)};", "its table of functions says"),
        ("TABLE=const uint32_t sxp_plugin[200] = {0, 64};", "its table of functions says 64 bytes and has 800"),
        ("TABLE=const uint32_t sxp_plugin[200] = {9, 800};", "its table has ABI 9, this daemon has 0; build it again"),
        ("TABLE=const char sxp_plugin = 0;", "its table of functions has 1 bytes, and ABI 0 has"),
        ("WITHOUT_FLUSH", "its table has no function 'flush', which a transport needs"),
    ])
    func aWrongTableEndsTheStart(macro: String, problem: String) throws {
        let file = try workshop.make("gate", [macro])
        let configuration = try workshop.configure([file], transports: "unix-socket, gate: {token: abcd}")
        let outcome = try workshop.ask("-N", "--config", configuration)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("transports.gate: '\(file)' \(problem)"), "\(outcome.errors)")
    }
}
