// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// A set of tools in a folder, each under its name.
final class Tools {
    private let folder: TemporaryFolder

    private static let names = [
        "xenstore", "xenstore-chmod", "xenstore-control", "xenstore-exists", "xenstore-list",
        "xenstore-ls", "xenstore-read", "xenstore-rm", "xenstore-watch", "xenstore-write",
    ]
    private static let additional = ["xenstore-mkdir", "xsls"]

    /// Ours, as built.
    static func built() throws -> Tools {
        try Tools { _ in TestSupport.built("xenstore") }
    }

    /// Debian's, nil if they are not installed. What is in the path as xenstore-control is a script
    /// that wants a hypervisor, so that one is taken from where the script has it from.
    static func debian() throws -> Tools? {
        let xen = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib")) ?? []
        let control = xen.filter { $0.hasPrefix("xen-") }.sorted()
            .map { "/usr/lib/\($0)/bin/xenstore-control" }
            .last { FileManager.default.isExecutableFile(atPath: $0) }
        guard let control, FileManager.default.isExecutableFile(atPath: "/usr/bin/xenstore") else {
            return nil
        }
        return try Tools { $0 == "xenstore-control" ? control : "/usr/bin/" + $0 }
    }

    private init(_ target: (String) -> String) throws {
        folder = try TemporaryFolder()
        for name in Self.names + Self.additional {
            try FileManager.default.createSymbolicLink(atPath: file(name), withDestinationPath: target(name))
        }
    }

    /// The tool of this name.
    func file(_ name: String) -> String { folder.file(name) }

    /// Runs a file of commands on a daemon and returns the transcript.
    func run(cases: URL, on daemon: Daemon) throws -> String {
        let script = Golden.folder.appending(path: "transcript.sh").path
        return try TestSupport.run([script, folder.path, cases.path], environment: Self.reaching(daemon)).output
    }

    /// Runs one tool on a daemon.
    func run(_ name: String, _ arguments: String..., on daemon: Daemon) throws -> Outcome {
        try run(name, arguments, on: daemon)
    }

    func run(_ name: String, _ arguments: [String], on daemon: Daemon) throws -> Outcome {
        try TestSupport.run([file(name)] + arguments, environment: Self.reaching(daemon))
    }

    static func reaching(_ daemon: Daemon) -> [String: String] {
        ["XENSTORED_RUNDIR": daemon.folder.path]
    }
}

/// The files of commands, and what Debian's tools said to them.
struct Golden: CustomTestStringConvertible {
    var cases: URL

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appending(path: "Golden")
    static let live = folder.deletingLastPathComponent().appending(path: "Live")

    /// Those with a recorded transcript.
    static let recorded = all(in: folder)
    /// All; some make only sense beside Debian's tools on the same daemon.
    static let comparable = recorded + all(in: live)

    private static func all(in folder: URL) -> [Golden] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasSuffix(".cases") }.sorted()
            .map { Golden(cases: folder.appending(path: $0)) }
    }

    var transcript: String {
        get throws {
            let file = cases.deletingPathExtension().appendingPathExtension("golden")
            return try String(contentsOf: file, encoding: .utf8)
        }
    }

    var testDescription: String { cases.lastPathComponent }
}

/// The commands at which two transcripts differ, with what each says; empty if there are none.
func differences(_ ours: String, _ theirs: String) -> String {
    func blocks(_ transcript: String) -> [String] {
        transcript.split(separator: "\n$ ", omittingEmptySubsequences: false).map(String.init)
    }
    let (ours, theirs) = (blocks(ours), blocks(theirs))
    var text = zip(ours, theirs).filter { $0 != $1 }.prefix(5)
        .map { "ours:\n\($0)\ntheirs:\n\($1)\n" }.joined()
    if ours.count != theirs.count { text += "\(ours.count) commands, not \(theirs.count)\n" }
    return text
}
