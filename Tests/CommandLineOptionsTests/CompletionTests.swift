// SPDX-License-Identifier: Apache-2.0
import CommandLineOptions
import Glibc
import TestSupport
import Testing

@testable import SXenstored
@testable import xenstore

/// The completions in `packaging/completions`, which packages install.
@Suite struct CompletionTests {
    private static let folder =
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        + "/packaging/completions"

    private static let programs = [
        CompletedProgram("sxenstored", DaemonOption.own),
        CompletedProgram(
            "xenstore",
            modes: xenstore.Invocation.modes.map { mode in
                CompletedProgram.Mode("\(mode.name)", ToolOption.all(mode.accepts), .storePaths)
            } + [CompletedProgram.Mode("control", [ToolOption]())],
            aliases: [("xsls", "ls")]),
    ]

    /// `make completions` writes the files.
    @Test(arguments: 0..<2, ["bash", "zsh", "fish"])
    func theFilesAreMadeFromTheOptions(_ index: Int, _ shell: String) throws {
        let program = Self.programs[index]
        let path = "\(Self.folder)/\(program.name).\(shell)"
        let script = try #require(program.script(for: shell))
        if getenv("WRITE_COMPLETIONS") != nil {
            let file = try #require(fopen(path, "w"))
            fputs(script, file)
            fclose(file)
        }
        #expect(try run(["cat", path]).output == script, "make completions")
    }

    /// What bash offers for the last of these words.
    private func offered(_ words: [String], by program: String) throws -> Set<Substring> {
        let script = """
            source \(Self.folder)/\(program).bash
            COMP_WORDS=("$@")
            COMP_CWORD=$(($# - 1))
            _\(program)
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let outcome = try run(["bash", "-c", script, "bash"] + words)
        #expect(outcome.status == 0 && outcome.errors == "", "\(outcome)")
        return Set(outcome.output.split(separator: "\n"))
    }

    @Test func bashOffersTheDaemonsOptions() throws {
        #expect(try offered(["sxenstored", "--check"], by: "sxenstored") == ["--check-config", "--check-store"])
        #expect(try offered(["sxenstored", "-"], by: "sxenstored").isSuperset(of: ["-N", "--no-fork", "--help"]))
        #expect(try offered(["sxenstored", "--set", ""], by: "sxenstored").isEmpty)
    }

    @Test func bashOffersFilesForAFile() throws {
        let folder = try TemporaryFolder()
        close(creat(folder.file("my store.yaml"), 0o600))
        let expected = [Substring(folder.file("my store.yaml"))]
        for words in [
            ["--config", folder.file("my")], ["--config", "=", folder.file("my")], ["-F", folder.file("my")],
        ] {
            #expect(try offered(["sxenstored"] + words, by: "sxenstored") == Set(expected))
        }
    }

    @Test func bashOffersModesAndTheirOptions() throws {
        #expect(try offered(["xenstore", "r"], by: "xenstore") == ["read", "rm"])
        #expect(try offered(["xenstore", "ls", "--"], by: "xenstore") == ["--flat", "--prefix", "--json"])
        #expect(try offered(["/usr/bin/xenstore-watch", "--v"], by: "xenstore") == ["--values"])
        #expect(try offered(["xsls", "--f"], by: "xenstore") == ["--flat"])
    }

    @Test func bashOffersTheNodesOfTheStore() throws {
        let daemon = try Daemon()
        let folder = try TemporaryFolder()
        let path = ["PATH": "\(folder.path):/usr/bin:/bin", "XENSTORED_RUNDIR": daemon.folder.path]
        #expect(symlink(built("xenstore"), folder.file("xenstore")) == 0)
        _ = try run([built("xenstore"), "write", "/here/one", "1", "/here/two", "2"], environment: path)
        let script = "source \(Self.folder)/xenstore.bash; _xenstore_paths /here/t"
        #expect(try run(["bash", "-c", script], environment: path).output == "/here/two\n")
    }

    /// Shells that are there read their file without an error.
    @Test(arguments: ["sxenstored", "xenstore"], ["bash", "zsh", "fish"])
    func theSyntaxIsThatOfTheShell(_ program: String, _ shell: String) throws {
        guard try run(["sh", "-c", "command -v \(shell)"]).status == 0 else { return }
        let outcome = try run([shell, "-n", "\(Self.folder)/\(program).\(shell)"])
        #expect(outcome == Outcome(status: 0))
    }
}
