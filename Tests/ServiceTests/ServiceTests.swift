// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import TestSupport
import Testing
import XenStorePlugin
import XenStoreTestKit

@testable import SXenstored

/// The process that these tests start.
typealias Daemon = TestSupport.Daemon

/// The daemon from start to end, each time in a process of its own, since it is one.
@Suite struct ServiceTests {
    @Test func servesReportsReadinessAndEndsCleanly() async {
        await #expect(processExitsWith: .success) {
            let pidFile = "/tmp/sxenstored-service-\(getpid())"
            let manager = try NotifySocket()
            setenv("NOTIFY_SOCKET", manager.name, 1)
            let storage = FailingStorage()
            let transport = ScriptedTransport([:])
            transport.onStart = {
                #expect(content(of: pidFile) == "", "it doesn't serve yet")
                raise(SIGTERM)
            }
            transport.onStop = { #expect(content(of: pidFile) == "\(getpid())\n") }
            let status = serve(
                PluginSet(transports: [transport], storage: storage, policies: []),
                options: ServeOptions(forks: false, pidFile: pidFile))
            try #require(status == 0)
            try #require(manager.received() == "READY=1")
            try #require(transport.events == ["start", "stop"])
            try #require(storage.isClosed)
            try #require(content(of: pidFile) == nil)
        }
    }

    @Test func stopsStartedPluginsWhenOneFails() async {
        await #expect(processExitsWith: .success) {
            let pidFile = "/tmp/sxenstored-service-\(getpid())"
            let manager = try NotifySocket()
            setenv("NOTIFY_SOCKET", manager.name, 1)
            let first = ScriptedTransport([:])
            let second = ScriptedTransport([:])
            second.failure = SystemError(EADDRINUSE, doing: "listen on '/x'", advice: "do something else")
            let third = ScriptedTransport([:])
            let storage = FailingStorage()
            let errors = StandardError()
            let status = serve(
                PluginSet(transports: [first, second, third], storage: storage, policies: []),
                options: ServeOptions(forks: false, pidFile: pidFile))
            let expected = "sxenstored: error: can't listen on '/x': Address already in use; do something else\n"
            try #require(errors.text() == expected)
            try #require(status == 1)
            try #require(first.events == ["start", "stop"])
            try #require(second.events == ["start"])
            try #require(third.events == [])
            try #require(storage.isClosed)
            try #require(content(of: pidFile) == nil)
            try #require(manager.received() == nil)
        }
    }

    @Test func sighupReloadsOrKeepsTheOldConfiguration() async {
        await #expect(processExitsWith: .success) {
            struct Refused: Error {}
            let transport = ScriptedTransport([:])
            var reloads = 0
            var options = ServeOptions(forks: false)
            options.reload = { _ in
                reloads += 1
                raise(reloads == 1 ? SIGHUP : SIGINT)
                if reloads == 2 { throw Refused() }
            }
            transport.onStart = { raise(SIGHUP) }
            let status = serve(
                PluginSet(transports: [transport], storage: FailingStorage(), policies: []), options: options)
            try #require(status == 0)
            try #require(reloads == 2)
        }
    }

    @Test func theLauncherReturnsWhenTheDaemonServes() async {
        await #expect(processExitsWith: .success) {
            let pidFile = "/tmp/sxenstored-service-\(getpid())"
            let launcher = getpid()
            let status = serve(
                PluginSet(transports: [ScriptedTransport([:])], storage: FailingStorage(), policies: []),
                options: ServeOptions(pidFile: pidFile))
            guard getpid() == launcher else { _exit(status) }
            try #require(status == 0)
            let pid = try #require(content(of: pidFile).flatMap { pid_t($0.dropLast()) })
            try #require(pid != launcher)
            try #require(getsid(pid) == pid)
            kill(pid, SIGTERM)
            var end: Int32 = -1
            waitpid(pid, &end, 0)
            try #require(end == 0)
            try #require(content(of: pidFile) == nil)
        }
    }

    @Test func reportsAFailureToTheLauncher() async {
        await #expect(processExitsWith: .success) {
            let launcher = getpid()
            let transport = ScriptedTransport([:])
            transport.failure = SystemError(EACCES, doing: "listen")
            let errors = StandardError()
            let status = serve(
                PluginSet(transports: [transport], storage: FailingStorage(), policies: []), options: ServeOptions())
            guard getpid() == launcher else { _exit(status) }
            try #require(status == 1)
            try #require(errors.text() == "sxenstored: error: can't listen: Permission denied\n")
        }
    }

    @Test(arguments: ["@sxenstored-test-\(getpid())", "/nowhere/notify", "", String(repeating: "x", count: 200)])
    func reportsAMissingServiceManager(name: String) throws {
        #expect(throws: SystemError.self) { try ServiceManager.send("READY=1", to: name) }
    }
}

private final class ScriptedTransport: Transport {
    static let name = "scripted"
    static let summary = ""
    static let keys: [ConfigurationKey] = []
    var onStart: () -> Void = {}
    var onStop: () -> Void = {}
    var failure: SystemError?
    private(set) var events: [String] = []
    init(_ configuration: ConfigurationBlock) {}
    convenience init(_ values: [String: ConfigurationValue]) { self.init(ConfigurationBlock(values)) }
    func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError) {
        events.append("start")
        if let failure { throw failure }
        onStart()
    }
    func stop() {
        events.append("stop")
        onStop()
    }
}

/// Catches what the process writes to stderr.
private struct StandardError {
    private let end: Int32
    private let saved: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        pipe(&ends)
        saved = dup(STDERR_FILENO)
        dup2(ends[1], STDERR_FILENO)
        close(ends[1])
        end = ends[0]
    }

    func text() -> String {
        dup2(saved, STDERR_FILENO)
        var bytes = [UInt8](repeating: 0, count: 4096)
        return String(decoding: bytes[..<max(0, read(end, &bytes, bytes.count))], as: UTF8.self)
    }
}
