// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import XenStoreClient
import XenStoreWire

// Long, as it also waits for threads that other tests keep busy.
@Suite(.timeLimit(.minutes(10))) struct AsyncTests {
    private func connect(
        _ answer: @escaping @Sendable (ReceivedRequest) -> [UInt8]?
    ) throws -> (FakeDaemon, XenStore) {
        let daemon = FakeDaemon(answer)
        return (daemon, try XenStore(adopting: daemon.clientDescriptor))
    }

    @Test func repliesFindTheirRequests() async throws {
        let (_, store) = try connect { message(.read, String($0.payload.dropLast())) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<500 {
                group.addTask {
                    let value = try await store.readString("/\(number)")
                    #expect(value == "/\(number)")
                }
            }
            try await group.waitForAll()
        }
    }

    /// More than any socket's buffer, to a daemon that reads only once all is sent.
    @Test func aSlowDaemonBlocksNoCaller() async throws {
        let gate = DispatchSemaphore(value: 0)
        let (_, store) = try connect { request in
            gate.wait()
            gate.signal()
            return message(.write, "OK\0")
        }
        let value = [UInt8](repeating: 0x61, count: 4000)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<500 {
                group.addTask { try await store.write("/\(number)", value) }
            }
            group.addTask { gate.signal() }
            try await group.waitForAll()
        }
    }

    @Test func errorsReachTheRightCaller() async throws {
        let (_, store) = try connect {
            $0.payload == "/a\0" ? message(.read, "v") : message(.error, "ENOENT\0")
        }
        #expect(try await store.readString("/b") == nil)
        await #expect(throws: XenStoreError.wire(.ENOENT)) { try await store.read("/b") }
        #expect(try await store.readString("/a") == "v")
    }

    @Test func hangingUpEndsAllCalls() async throws {
        let (_, store) = try connect { $0.payload == "/end\0" ? nil : message(.watch, "OK\0") }
        let events = try await store.watch("/a")
        await #expect(throws: XenStoreError.self) { try await store.read("/end") }
        await #expect(throws: XenStoreError.self) { for try await _ in events {} }
        await #expect(throws: XenStoreError.self) { try await store.read("/late") }
    }

    @Test func closingEndsEventsWithoutAnError() async throws {
        let (_, store) = try connect { _ in message(.watch, "OK\0") }
        let events = try await store.watch("/a")
        store.close()
        for try await _ in events {}
        await #expect(throws: XenStoreError.self) { try await store.read("/late") }
    }

    @Test func oversizedMessagesEndTheConnection() async throws {
        let (_, store) = try connect { _ in message(.read, "v", length: 4097) }
        let violation = XenStoreError.protocolViolation(.oversizedMessage(length: 4097))
        await #expect(throws: violation) { try await store.read("/") }
        await #expect(throws: violation) { try await store.read("/") }
    }

    @Test func eventsFindTheirWatch() async throws {
        let (daemon, store) = try connect { request in
            guard request.type == 4 else { return message(request.type, Array("OK\0".utf8)) }
            let strings = request.payload.split(separator: "\0")
            // An event before the reply, and one for nobody.
            let event = message(.watchEvent, "\(strings[0])/x\0\(strings[1])\0")
            return event + message(.watch, "OK\0") + event + message(.watchEvent, "/y\0other\0")
        }
        do {
            let (a, b) = try await (store.watch("/a"), store.watch("/b", depth: 1))
            var (ofA, ofB) = (a.makeAsyncIterator(), b.makeAsyncIterator())
            for _ in 0..<2 {
                #expect(try await ofB.next()?.path == "/b/x")
                #expect(try await ofA.next()?.path == "/a/x")
            }
        }
        // Nobody listens any more: both watches are taken back before the next request.
        try await store.write("/z", "")
        let kinds = daemon.requests.map(\.type)
        #expect(kinds.filter { $0 == 5 }.count == 2)
        #expect(kinds.last == 11)
    }

    @Test func aRefusedWatchLeavesNothing() async throws {
        let (daemon, store) = try connect { message(.error, $0.type == 4 ? "ENOSPC\0" : "ENOENT\0") }
        await #expect(throws: XenStoreError.wire(.ENOSPC)) { _ = try await store.watch("/a") }
        _ = try await store.readString("/a")
        #expect(daemon.requests.map(\.type) == [4, 2])
    }

    @Test func transactionsAreRetriedAndAborted() async throws {
        let (daemon, store) = try connect(conflictingTwice())
        let result = try await store.transaction { transaction in
            try await transaction.write("/a", "1")
            return "done"
        }
        #expect(result == "done")
        #expect(daemon.requests.filter { $0.type == 11 && $0.transaction == 5 }.count == 3)

        struct Mine: Error {}
        await #expect(throws: Mine.self) { try await store.transaction { _ in throw Mine() } }
        #expect(daemon.requests.last == ReceivedRequest(.transactionEnd, "F\0", in: 5))
    }

    @Test func cancelledTransactionsGiveUp() async throws {
        let (_, store) = try connect {
            $0.type == 6 ? message(.transactionStart, "5\0") : message(.error, "EAGAIN\0")
        }
        let task = Task { try await store.transaction { _ in } }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
