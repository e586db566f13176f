// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// More clients than the daemon has file descriptors for, or than it is told to take.
@Suite struct CrowdTests {
    /// A daemon that may have so many files open.
    private func daemon(descriptors: Int, _ options: [String] = []) throws -> Daemon {
        let daemon = try Daemon(options)
        _ = try daemon.connect().ask(.getDomainPath, "0\0")
        let result = try run(["prlimit", "--pid", "\(daemon.process.pid)", "--nofile=\(descriptors)"])
        try #require(result.status == 0, "\(result.errors)")
        return daemon
    }

    /// Whether the daemon lets the client in: it is answered, rather than shown out.
    private func isServed(_ client: RawClient) -> Bool {
        (try? client.ask(.getDomainPath, "1\0")) == .data("/local/domain/1\0")
    }

    /// Ends the daemon, as only then all its lines are certainly written.
    private func wholeLog(of daemon: Daemon) throws -> [Substring] {
        #expect(try daemon.stop() == 0)
        return daemon.log.split(separator: "\n")
    }

    @Test func readOnlyClientsLeaveRoomForTheToolstack() throws {
        let daemon = try daemon(descriptors: 96)
        let first = try daemon.connect()
        let crowd = try (0..<200).map { _ in try daemon.connectReadOnly() }
        #expect(crowd.contains(where: isServed))
        #expect(!isServed(crowd[199]))
        let tools = try (0..<30).map { _ in try daemon.connect() }
        #expect(tools.allSatisfy(isServed))
        #expect(isServed(first))
    }

    /// The daemon needs some for files of its own, such as its configuration.
    @Test func theToolstackLeavesDescriptorsForTheDaemon() throws {
        let daemon = try daemon(descriptors: 96)
        let crowd = try (0..<200).map { _ in try daemon.connect() }
        #expect(isServed(crowd[0]))
        #expect(!isServed(crowd[199]))
        // Beyond its limit it can only have what it has inherited: tests that run beside this one open files, too.
        #expect((70...88).contains(daemon.descriptorNumbers.count { $0 < 96 }))
    }

    @Test(arguments: ["read-only-socket", "unix-socket"]) func noMoreThanTheConfiguredClientsAreAccepted(
        transport: String
    ) throws {
        let daemon = try daemon(descriptors: 200, ["--set", "transports.\(transport).connections=3"])
        let connect = transport == "unix-socket" ? daemon.connect : daemon.connectReadOnly
        var clients = try (0..<3).map { _ in try connect() }
        #expect(clients.allSatisfy(isServed))
        #expect(try connect().receive() == nil, "it is shown out, and does not wait")
        #expect(clients.allSatisfy(isServed))
        clients.removeLast()
        // It is let in as soon as the daemon has seen that another has gone.
        let deadline = Deadline()
        while try !isServed(connect()) { try #require(deadline.milliseconds > 0) }
    }

    /// The log is for people: who connects in a loop does not fill it.
    @Test func theLogReportsRefusedClientsOnceAMinute() throws {
        let daemon = try daemon(descriptors: 200, ["--set", "transports.read-only-socket.connections=3"])
        var clients = try (0..<3).map { _ in try daemon.connectReadOnly() }
        for round in 0..<100 {
            #expect(try daemon.connectReadOnly().receive() == nil)
            clients.removeFirst()
            var next = try daemon.connectReadOnly()
            let deadline = Deadline()
            while !isServed(next), deadline.milliseconds > 0 { next = try daemon.connectReadOnly() }
            try #require(isServed(next), "\(round)")
            clients.append(next)
        }
        let lines = try wholeLog(of: daemon).filter { $0.contains("turned away") }
        #expect(lines.count == 1, "\(lines)")
        #expect(lines.first?.contains("read-only-socket") == true)
        #expect(lines.first?.contains("'connections'") == true, "it says what to change")
    }

    /// The same when it is descriptors that are short.
    @Test func theLogReportsScarceDescriptorsOnceAMinute() throws {
        let daemon = try daemon(descriptors: 64)
        for _ in 0..<20 {
            let crowd = try (0..<64).map { _ in try daemon.connectReadOnly() }
            // Which ones depends on when the daemon sees that those of the last round have gone.
            #expect(crowd.count(where: isServed) <= 32)
        }
        let lines = try wholeLog(of: daemon).filter { $0.contains("turned away") }
        #expect(lines.count == 1, "\(lines)")
        #expect(lines.first?.contains("nofile") == true, "it says what to change")
    }
}
