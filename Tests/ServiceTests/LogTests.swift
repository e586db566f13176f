// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// What the built daemon says, and to whom.
@Suite struct LogTests {
    @Test func linesOfPluginsAreLinesOfTheLog() throws {
        let folder = try TemporaryFolder()
        // What a power cut leaves of a store is set aside, and said to be.
        try folder.write("", to: "tdb")
        let daemon = try Daemon(["--set", "storage=tdb", "--set", "storage.tdb.path=\(folder.file("tdb"))"])
        let lines = daemon.log.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("sxenstored: error: tdb: '\(folder.file("tdb"))' ") }, "\(daemon.log)")
        #expect(lines.allSatisfy { $0.hasPrefix("sxenstored: ") }, "\(daemon.log)")
        #expect(lines.contains { $0.hasPrefix("sxenstored: info: unix-socket: listening on ") })
    }
}
