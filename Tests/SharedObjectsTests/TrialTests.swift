// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// `--try-plugin`, with right and wrong plugins: black box.
@Suite struct TrialTests {
    private let workshop: Workshop

    init() throws { workshop = try Workshop() }

    private func attempt(_ source: String, _ macros: [String] = [], set: String? = nil) throws -> Outcome {
        let file = try workshop.make(source, macros)
        return try run([Daemon.binary, "--try-plugin", file] + (set.map { ["--set", $0] } ?? []))
    }

    @Test func goodPluginsOfAllKindsAreGood() throws {
        for source in ["shelf", "warden"] {
            let outcome = try attempt(source)
            #expect(outcome.status == 0, "\(outcome)")
            #expect(outcome.output.hasSuffix("The plugin is good, as far as this shows it.\n"))
        }
    }

    /// It asks for a token, which a plain client does not know.
    @Test func aTransportWithSecretsSaysWhereToGoOn() throws {
        let outcome = try attempt("gate", set: "transports.gate.token=abcd")
        #expect(outcome.output.contains("  start and stop, three times: good\n"), "\(outcome)")
        #expect(
            outcome.output.contains("a plain client over 'gate' gets no answer; if clients must say something first"))
    }

    /// The author's own client knows the token: `gate` is tried like any other transport.
    @Test(arguments: [([], true), (["DEAF"], false)])
    func aCommandConnectsClients(macros: [String], isGood: Bool) throws {
        try workshop.place.write(Self.bridge, to: "bridge.py")
        let outcome = try run([
            Daemon.binary, "--try-plugin", workshop.make("gate", macros), "--set", "transports.gate.token=abcd",
            "--try-client", "python3 \(workshop.place.file("bridge.py")) abcd",
        ])
        #expect(outcome.status == (isGood ? 0 : 1), "\(outcome)")
        #expect(outcome.output.contains("  clients: good\n") == isGood, "\(outcome)")
    }

    /// Says the token, and then hands bytes on in both directions.
    private static let bridge = """
        import os, select, socket, sys
        wire = socket.socket(socket.AF_UNIX)
        wire.connect(os.environ["XENSTORED_RUNDIR"] + "/gate")
        wire.sendall(sys.argv[1].encode())
        while True:
            for source in select.select([0, wire], [], [])[0]:
                data = os.read(0, 65536) if source == 0 else wire.recv(65536)
                if not data: sys.exit()
                if source == 0: wire.sendall(data)
                else: os.write(1, data)
        """

    @Test func aClientNeedsAPlugin() throws {
        let outcome = try run([Daemon.binary, "--try-client", "cat"])
        #expect(outcome.status == 2 && outcome.errors.contains("--try-client needs --try-plugin"), "\(outcome)")
    }

    @Test func keysThatMustBeGivenAreNamed() throws {
        let outcome = try attempt("gate")
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("transports.gate.token: must be given: text"), "\(outcome)")
    }

    @Test(arguments: [
        ("LEAKS", "descriptors are still open after its end"),
        ("CRASHES_AT_START", "it was ended by signal 11, Segmentation fault"),
        ("EXITS_AT_START", "it ended the process with status 3"),
        ("REFUSES", "is not a good token"),
        ("CALLS_FROM_A_THREAD", "calls 'connect' from another thread"),
        ("LEAVES_SOCKET", "its sockets stay after its end"),
        ("WITHOUT_FLUSH", "its table has no function 'flush'"),
    ])
    func whatIsWrongIsSaid(macro: String, problem: String) throws {
        let outcome = try attempt("gate", [macro], set: "transports.gate.token=abcd")
        #expect(outcome.status == 1)
        #expect(outcome.output.contains(problem), "\(outcome)")
        #expect(outcome.output.hasSuffix("The plugin is not good.\n"))
    }

    @Test func aStorageThatForgetsIsFoundOut() throws {
        let outcome = try attempt("shelf", ["FORGETS"])
        #expect(outcome.status == 1)
        #expect(outcome.output.contains("missing /"), "\(outcome)")
    }

    @Test func aFileThatIsNoPluginIsNamed() throws {
        let outcome = try attempt("empty")
        #expect(outcome.status == 1)
        #expect(outcome.output.contains("is no plugin: it has no description (SXP_DESCRIBE)"), "\(outcome)")
    }

    /// An author may have it in any folder, but is told that the daemon would not load it from there.
    @Test func itTellsWhetherTheDaemonWouldLoadTheFileFromThere() throws {
        let file = try workshop.make("warden")
        chmod(workshop.folder.path, 0o777)
        defer { chmod(workshop.folder.path, 0o700) }
        let outcome = try run([Daemon.binary, "--try-plugin", file])
        #expect(outcome.status == 0)
        #expect(
            outcome.output.contains("The daemon would not load it from here: '\(file)' others can write"), "\(outcome)")
    }
}
