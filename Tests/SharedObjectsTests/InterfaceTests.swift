// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// The header for plugins in C against its list, and what a change of it needs. `make api-check` compares the Swift
/// libraries, too.
@Suite(.slow) struct InterfaceTests {
    private static let program = Workshop.root + "/packaging/api/list.py"
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func theHeaderIsAsItsListSays() throws {
        let header = try run([Self.program, "header", Workshop.root + "/Sources/CPlugin/include/sxenstored-plugin.h"])
        #expect(header.status == 0, "\(header)")
        let list = TemporaryFolder.text(of: Workshop.root + "/packaging/api/sxenstored-plugin.h.txt")
        #expect(header.output == list, "the header has changed: make api")
        #expect(list.contains("sxp_host at 16: log, ") && list.contains("\nSXP_READABLE = 1\n"))
    }

    private static let abi2 = [
        "SXP_ABI = 2", "sxp_peer at 0: size, uint32_t", "sxp_peer has 4 bytes", "sxp_host at 0: abi, uint32_t",
        "sxp_host has 8 bytes",
    ]
    /// One more function of the table.
    private static let grown =
        abi2.dropFirst().dropLast() + ["sxp_host at 8: log, void (*)()", "sxp_host has 16 bytes"]

    @Test(arguments: [
        (abi2, nil),
        (["SXP_ABI = 3"] + grown, nil),
        (["SXP_ABI = 2"] + grown, "the header has grown, so SXP_ABI must become 3"),
        (["SXP_ABI = 9"] + grown, "the header has grown, so SXP_ABI must become 3"),
        (["SXP_ABI = 3"] + abi2.dropFirst(2), "tables grow at their ends"),
        (
            ["SXP_ABI = 3"] + abi2.dropFirst().map { $0 == "sxp_peer has 4 bytes" ? "sxp_peer has 8 bytes" : $0 },
            "as it is"
        ),
    ])
    func aStableHeaderOnlyGrows(new: [String], mistake: String?) throws {
        let outcome = try compare(Self.abi2, new)
        #expect(outcome.status == (mistake == nil ? 0 : 1), "\(outcome)")
        #expect(mistake.map(outcome.errors.contains) ?? outcome.errors.isEmpty, "\(outcome)")
    }

    @Test func anUnstableHeaderMayChange() throws {
        let outcome = try compare(["SXP_ABI = 0"] + Self.abi2.dropFirst(), ["SXP_ABI = 0"])
        #expect(outcome.status == 0)
        #expect(outcome.output.hasPrefix("breaks what uses it\n  - sxp_peer at 0"), "\(outcome)")
    }

    @Test(arguments: [
        (["A: struct A", "A.b: var b: Int"], "grows"),
        (["A: class A"], "breaks"),
        (["A: struct A", "P.f(): func f() // required"], "breaks"),
        (["A: struct A", "P.f(): func f() // has a default"], "grows"),
        (["A: struct A", "E.x: case x"], "breaks"),
    ])
    func aSwiftLibraryBreaksItsUsersOrGrows(new: [String], verdict: String) throws {
        let outcome = try compare(["A: struct A"], new)
        #expect(outcome.status == 0 && outcome.output.hasPrefix(verdict), "\(outcome)")
    }

    private func compare(_ old: [String], _ new: some Sequence<String>) throws -> Outcome {
        try folder.write(old.joined(separator: "\n"), to: "old")
        try folder.write(Array(new).joined(separator: "\n"), to: "new")
        return try run([Self.program, "compare", folder.file("old"), folder.file("new")])
    }
}
