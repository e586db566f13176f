// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite(.slow) struct ToolsTests {
    @Test("As Debian's tools on Debian's daemon, recorded", arguments: Golden.recorded)
    func theToolsBehaveAsRecorded(_ golden: Golden) throws {
        let ours = try Tools.built().run(cases: golden.cases, on: Daemon())
        #expect(differences(ours, try golden.transcript) == "")
    }

    @Test(
        "As Debian's tools on the same kind of daemon, now",
        .enabled("Debian's xenstore-utils and xen-utils are not installed") {
            try Tools.debian() != nil
        }, arguments: Golden.comparable)
    func theToolsBehaveAsDebiansDo(_ golden: Golden) throws {
        let debian = try #require(try Tools.debian())
        let ours = try Tools.built().run(cases: golden.cases, on: Daemon())
        let theirs = try debian.run(cases: golden.cases, on: Daemon())
        #expect(differences(ours, theirs) == "")
    }

    @Test func mkdirCreatesAllOrNothing() throws {
        let (tools, daemon) = try (Tools.built(), Daemon())
        #expect(try tools.run("xenstore-mkdir", "/m/a/b", on: daemon).status == 0)
        #expect(try tools.run("xenstore", "mkdir", "/m/c", on: daemon).status == 0)
        #expect(try tools.run("xenstore", "mkdir", "/m/d", "/bad.", on: daemon).status == 1)
        let list = try tools.run("xenstore-list", "/m", on: daemon)
        #expect(list == .init(status: 0, output: "a\nc\n"))
    }

    @Test func xslsListsLikeLs() throws {
        let (tools, daemon) = try (Tools.built(), Daemon())
        _ = try tools.run("xenstore-write", "/t/a", "1", on: daemon)
        #expect(
            try tools.run("xsls", "-f", "/t", on: daemon)
                == .init(status: 0, output: "/t/a = \"1\"\n"))
    }

    @Test func jsonHoldsTheWholeTree() throws {
        let (tools, daemon) = try (Tools.built(), Daemon())
        _ = try tools.run("xenstore-write", "/j/a", #""\\\t"#, "/j/d/e", #"\377"#, on: daemon)
        #expect(
            try tools.run("xenstore-ls", "--json", "/j", on: daemon).output
                == #"{"a":{"value":"\"\\\t"},"d":{"value":"","children":{"e":{"value":{"base64":"/w=="}}}}}"#
                + "\n")
        #expect(
            try tools.run("xenstore-ls", "--json", "-fp", "/j/d", on: daemon).output
                == #"{"/j/d/e":{"value":{"base64":"/w=="},"permissions":["n0"]}}"# + "\n")
        #expect(
            try tools.run("xenstore-read", "--json", "/j/a", "/j/d", on: daemon).output
                == #"{"/j/a":"\"\\\t","/j/d":""}"# + "\n")
        #expect(try tools.run("xenstore-ls", "--json", "/none", on: daemon).status == 1)
    }

    @Test func jsonIsValidForEveryByte() throws {
        let (tools, daemon) = try (Tools.built(), Daemon())
        // Every byte but 0, which no argument can hold, as UTF-8 and alone.
        let pairs = (UInt8(1)...255).flatMap { byte in
            let scalar = String(Unicode.Scalar(byte))
            let alone = "\\x" + String(byte, radix: 16)
            return ["/j/x\(byte)", alone, "/j/u\(byte)", scalar == "\\" ? "\\\\" : scalar]
        }
        #expect(try tools.run("xenstore-write", pairs, on: daemon).status == 0)
        let text = try tools.run("xenstore-ls", "--json", "/j", on: daemon).output
        let tree = try #require(
            JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: [String: Any]])
        #expect(tree.count == 510)
        for byte in UInt8(1)...255 {
            #expect(tree["u\(byte)"]?["value"] as? String == String(Unicode.Scalar(byte)))
            guard byte >= 128 else { continue }
            let value = tree["x\(byte)"]?["value"] as? [String: String]
            #expect(value?["base64"].flatMap { Data(base64Encoded: $0) } == Data([byte]))
        }
    }

    @Test func watchShowsValues() throws {
        let (tools, daemon) = try (Tools.built(), Daemon())
        _ = try tools.run("xenstore-write", "/v/a", #"x\n"#, on: daemon)
        let seen = try tools.run(
            "xenstore-watch", "--values", "-n", "2", "/v/a", "/v/none", on: daemon)
        #expect(seen == .init(status: 0, output: "/v/a = \"x\\n\"\n/v/none\n"))
    }

    @Test func outputThatCannotBeWrittenIsAFailure() throws {
        let (tools, daemon) = try (Tools.built(), Daemon())
        let child = try ChildProcess(
            [tools.file("xenstore-ls")], environment: Tools.reaching(daemon), output: "/dev/full", errors: "/dev/null")
        #expect(try child.wait() == 1)
    }

    @Test func theToolEndsSilentlyWithItsReader() throws {
        let (tools, daemon) = try (Tools.built(), Daemon())
        let folder = try TemporaryFolder()
        try #require(mkfifo(folder.file("fifo"), 0o600) == 0)
        let ends = [O_RDONLY, O_WRONLY].map { open(folder.file("fifo"), $0 | O_NONBLOCK | O_CLOEXEC) }
        // The pipe is full: the tool waits until its reader has gone.
        let noise = [UInt8](repeating: 0, count: 4096)
        while write(ends[1], noise, noise.count) > 0 {}
        let child = try ChildProcess(
            [tools.file("xenstore-ls")], environment: Tools.reaching(daemon), output: folder.file("fifo"),
            errors: "/dev/null")
        ends.forEach { close($0) }
        #expect(try child.wait() == -SIGPIPE)
    }

    /// The links under which the tool is known by other names.
    @Test func theOldNameIsInstalledToo() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
        let make = Foundation.Process()
        make.executableURL = URL(filePath: "/usr/bin/make")
        make.arguments = ["--dry-run", "install", "DESTDIR=/nowhere"]
        make.currentDirectoryURL = folder
        let pipe = Pipe()
        make.standardOutput = pipe
        try make.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        make.waitUntilExit()
        #expect(text.contains("ln -sf xenstore '/nowhere/usr/local/bin/xsls'"), "\(text)")
    }

    @Test(arguments: ["help", "--help", "-h"])
    func helpNamesAllModes(word: String) throws {
        let (tools, daemon) = try (Tools.built(), Daemon())
        let help = try tools.run("xenstore", word, on: daemon)
        #expect(help.status == 0)
        for mode in ["chmod", "control", "exists", "list", "ls", "mkdir", "read", "rm", "watch", "write"] {
            #expect(help.output.contains("\n  \(mode) "))
        }
    }
}
