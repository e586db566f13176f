// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Testing

@testable import SXenstored

@Suite struct PidFileTests {
    let path = "/tmp/sxenstored-pid-\(getpid())-\(UInt64.random(in: 0...(.max)))"

    @Test func printsThePidOnlyIfAsked() throws {
        let file = try PidFile(path)
        #expect(content(of: path) == "")
        try file.write()
        #expect(content(of: path) == "\(getpid())\n")
        file.remove()
        #expect(content(of: path) == nil)
    }

    @Test func keepsASecondDaemonOutAndNamesTheFirst() throws {
        let file = try PidFile(path)
        defer { file.remove() }
        try file.write()
        let failure = #expect(throws: PidFile.Failure.self) { _ = try PidFile(path) }
        guard case .isHeld(path, "\(getpid())")? = failure else {
            Issue.record("not held by us, but: \(String(describing: failure))")
            return
        }
        #expect(content(of: path) == "\(getpid())\n", "the second one has left it alone")
    }

    /// C xenstored locks its file with lockf.
    @Test func seesTheLockOfTheCDaemon() async {
        await #expect(processExitsWith: .success) {
            let path = "/tmp/sxenstored-pid-\(getpid())"
            defer { unlink(path) }
            let descriptor = open(path, O_RDWR | O_CREAT, 0o600)
            try #require(lockf(descriptor, F_TLOCK, 0) == 0)
            #expect(throws: PidFile.Failure.self) { _ = try PidFile(path) }
        }
    }

    @Test func takesOverTheFileOfADeadDaemon() throws {
        let descriptor = open(path, O_WRONLY | O_CREAT, 0o644)
        write(descriptor, "4194304999\n", 11)
        close(descriptor)
        let file = try PidFile(path)
        defer { file.remove() }
        try file.write()
        #expect(content(of: path) == "\(getpid())\n")
    }

    @Test func reportsTheSystemsError() throws {
        let failure = #expect(throws: PidFile.Failure.self) { _ = try PidFile("/proc/nowhere/at/all") }
        guard case .system(let error)? = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(error.explanation == "can't open the pid file '/proc/nowhere/at/all': No such file or directory")
    }
}

func content(of path: String) -> String? {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    return String(decoding: bytes[..<max(0, read(descriptor, &bytes, bytes.count))], as: UTF8.self)
}
