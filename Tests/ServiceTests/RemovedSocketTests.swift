// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import TestSupport
import Testing

/// Somebody tidies up in the run folder while the daemon serves.
@Suite struct RemovedSocketTests {
    private let daemon: Daemon
    private let path: String

    init() throws {
        daemon = try Daemon(["--set", "log.level=debug"])
        path = daemon.folder.file("socket")
    }

    @Test func aRemovedSocketIsMadeAgainUnnoticed() throws {
        let old = try daemon.connect()
        for _ in 0..<3 {
            let before = daemon.log.count
            #expect(unlink(path) == 0)
            try waitForFile(daemon.folder.file("log")) {
                $0.dropFirst(before).contains(
                    "warning: unix-socket: somebody has removed \(path); the daemon has made it again")
            }
            #expect(try daemon.connect().ask(.write, "/new\0v") == .ok)
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode == S_IFSOCK | 0o600)
        }
        #expect(try old.ask(.read, "/new\0") == .data("v"))
        #expect(try daemon.stop() == 0)
        #expect(!TemporaryFolder.names(in: daemon.folder.path).contains("socket"))
    }

    @Test func theWholeFolderIsMadeAgain() throws {
        let folder = try TemporaryFolder()
        let run = folder.file("run/deeper")
        let daemon = try Daemon(["--set", "transports.unix-socket.path=\(run)/socket"])
        #expect(unlink("\(run)/socket") == 0)
        try daemon.waitForLog("the daemon has made it again")
        #expect(try RawClient("\(run)/socket").ask(.write, "/a\0v") == .ok)
        // Nothing tells of a folder that is renamed with the one above it.
        #expect(rename(folder.file("run"), folder.file("gone")) == 0)
        daemon.process.send(SIGHUP)
        try waitForFile(daemon.folder.file("log")) {
            $0.split(separator: "\n").count { $0.contains("has made it again") } == 2
        }
        #expect(try RawClient("\(run)/socket").ask(.read, "/a\0") == .data("v"))
        // The new folder is watched now.
        #expect(unlink("\(run)/socket") == 0)
        try waitForFile(daemon.folder.file("log")) {
            $0.split(separator: "\n").count { $0.contains("has made it again") } == 3
        }
        #expect(try RawClient("\(run)/socket").ask(.read, "/a\0") == .data("v"))
    }

    /// It had connected, and was not accepted yet.
    @Test func aClientThatWaitsIsServed() throws {
        daemon.process.send(SIGSTOP)
        let client = try daemon.connect()
        try client.send(Message(.write, "/a\0v", number: 7))
        #expect(unlink(path) == 0)
        daemon.process.send(SIGCONT)
        #expect(try client.answer(to: Message(.write, "/a\0v", number: 7)) == .ok)
        try daemon.waitForLog("the daemon has made it again")
    }

    @Test func aFileInItsPlaceIsLeftAlone() throws {
        try daemon.folder.write("somebody's", to: "other")
        #expect(rename(daemon.folder.file("other"), path) == 0)
        try daemon.waitForLog("error: unix-socket: \(path) is not our socket any more: no new client can connect")
        daemon.process.send(SIGHUP)
        try daemon.waitForLog("reloaded")
        #expect(try daemon.stop() == 0)
        #expect(daemon.folder.text(of: "socket") == "somebody's")
    }

    @Test func sighupTriesToMakeTheSocketAgain() throws {
        let folder = try TemporaryFolder()
        mkdir(folder.file("run"), 0o755)
        let path = folder.file("run/socket")
        let daemon = try Daemon(["--set", "transports.unix-socket.path=\(path)"])
        daemon.process.send(SIGSTOP)
        #expect(unlink(path) == 0)
        #expect(rmdir(folder.file("run")) == 0)
        try folder.write("in the way", to: "run")
        daemon.process.send(SIGCONT)
        try daemon.waitForLog("no new client can connect: can't bind '\(path)': Not a directory; SIGHUP makes")
        #expect(unlink(folder.file("run")) == 0)
        daemon.process.send(SIGHUP)
        try daemon.waitForLog("the daemon has made it again")
        #expect(try RawClient(path).ask(.write, "/a\0v") == .ok)
    }

    /// `log.level: debug` says why.
    @Test func debugLogsEachClientAndTheReasonOfItsEnd() throws {
        do {
            let client = try daemon.connect()
            #expect(try client.ask(.write, "/a\0v") == .ok)
            try daemon.waitForLog("process \(getpid()) of user \(getuid())")
        }
        try daemon.waitForLog("ends: the client is gone")
        let clumsy = try daemon.connect()
        try clumsy.send([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0])
        try daemon.waitForLog("ends: a message is longer than the protocol allows")
    }
}
