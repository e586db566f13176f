// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import XenStoreClient
import XenStoreWire

/// The library and a real daemon.
// Long, as it also waits for threads that other tests keep busy.
@Suite(.timeLimit(.minutes(10))) struct LiveTests {
    @Test func nodesAreWrittenReadAndRemoved() throws {
        let daemon = try Daemon()
        let store = try XenStoreConnection(to: daemon.endpoint)
        try store.write("/t/a", "1")
        try store.makeDirectory("/t/b")
        #expect(try store.read("/t/a") == Array("1".utf8))
        #expect(try store.directory("/t") == ["a", "b"])
        try store.setPermissions("/t/a", [Permission(.read, .control)])
        #expect(try store.getPermissions("/t/a") == [Permission(.read, .control)])
        #expect(try store.getDomainPath(DomainID(5)) == "/local/domain/5")
        try store.remove("/t")
        #expect(throws: XenStoreError.wire(.ENOENT)) { try store.read("/t/a") }
    }

    @Test func aLongListOfChildrenIsComplete() throws {
        let daemon = try Daemon()
        let store = try XenStoreConnection(to: daemon.endpoint)
        let names = (0..<2000).map { "child-\($0)" }
        for name in names { try store.write("/t/" + name, "") }
        #expect(try store.directory("/t") == names)
    }

    @Test func watchesGiveEventsOfOtherClients() throws {
        let daemon = try Daemon()
        let (store, other) = try (
            XenStoreConnection(to: daemon.endpoint), XenStoreConnection(to: daemon.endpoint)
        )
        try store.watch("/t", token: "token")
        #expect(try store.nextEvent() == WatchEvent(path: "/t", token: "token"))
        try other.write("/t/a", "1")
        #expect(try store.nextEvent() == WatchEvent(path: "/t/a", token: "token"))
        try store.unwatch("/t", token: "token")
        try other.write("/t/a", "2")
        _ = try store.read("/t/a")
        #expect(try store.nextEvent(timeout: .zero) == nil)
    }

    @Test func noIncrementIsLost() async throws {
        let daemon = try Daemon()
        let endpoint = daemon.endpoint
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let store = try XenStore(to: endpoint)
                    for _ in 0..<10 {
                        try await store.transaction { transaction in
                            let count = try await transaction.readString("/n").flatMap { Int($0) }
                            try await transaction.write("/n", String((count ?? 0) + 1))
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await XenStore(to: endpoint).readString("/n") == "80")
    }

    @Test func aSequenceGivesAllEvents() async throws {
        let daemon = try Daemon()
        let store = try XenStore(to: daemon.endpoint)
        var paths: [String] = []
        for try await event in try await store.watch("/t") {
            paths.append(event.path)
            guard paths.count < 4 else { break }
            try await store.write("/t/\(paths.count)", "")
        }
        #expect(paths == ["/t", "/t/1", "/t/2", "/t/3"])
    }
}

extension Daemon {
    fileprivate var endpoint: Endpoint { Endpoint(path: socket) }
}
