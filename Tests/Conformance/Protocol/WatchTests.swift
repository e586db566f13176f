// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// WATCH, UNWATCH, RESET_WATCHES.
@Suite final class WatchTests: DaemonSuite {
    @Test(arguments: ["/", "/tool", "/nowhere/at/all", "relative", "@introduceDomain", "@releaseDomain", "@anything"])
    func answersAndThenTellsOnce(path: String) throws {
        #expect(try client.ask(.watch, "\(path)\0token\0") == .ok)
        #expect(client.takeEvents() == [])
        #expect(try client.allEvents() == [Event(path, "token")])
        #expect(try client.allEvents() == [])
    }

    @Test(arguments: ["", " ", "any bytes \u{1}\u{7f}", "/a", String(repeating: "t", count: 4000)])
    func takesAnyToken(token: String) throws {
        #expect(try client.ask(.watch, "/a\0\(token)\0") == .ok)
        #expect(try client.allEvents() == [Event("/a", token)])
        #expect(try client.ask(.write, "/a\0v") == .ok)
        #expect(client.takeEvents() == [Event("/a", token)])
        #expect(try client.ask(.unwatch, "/a\0\(token)\0") == .ok)
    }

    @Test func refusesTheSamePathAndTokenAgain() throws {
        #expect(try client.ask(.watch, "/a\0t\0") == .ok)
        #expect(try client.ask(.watch, "/a\0t\0") == .EEXIST)
        #expect(try client.ask(.watch, "/a\0t\01\0") == .EEXIST, "the depth makes no difference")
        #expect(try client.ask(.watch, "/a\0u\0") == .ok)
        #expect(try client.ask(.watch, "/b\0t\0") == .ok)
        #expect(try daemon.connect().ask(.watch, "/a\0t\0") == .ok, "each connection has its own")
    }

    @Test func aRelativeAndAnAbsolutePathAreTheSameWatch() throws {
        #expect(try client.ask(.watch, "a\0t\0") == .ok)
        #expect(try client.ask(.watch, "/local/domain/0/a\0t\0") == .EEXIST)
        #expect(try client.ask(.unwatch, "/local/domain/0/a\0t\0") == .ok)
        #expect(try client.ask(.watch, "/local/domain/0/b\0t\0") == .ok)
        #expect(try client.ask(.watch, "b\0t\0") == .EEXIST)
        #expect(try client.ask(.unwatch, "b\0t\0") == .ok)
        #expect(try client.ask(.unwatch, "b\0t\0") == .ENOENT)
    }

    @Test func tellsPathsAsTheWatchSpellsThem() throws {
        #expect(try client.ask(.watch, "dev\0rel\0") == .ok)
        #expect(try client.ask(.watch, "/local/domain/0/dev\0abs\0") == .ok)
        _ = try client.allEvents()
        #expect(try client.ask(.write, "/local/domain/0/dev/x\0v") == .ok)
        #expect(client.takeEvents() == [Event("dev/x", "rel"), Event("/local/domain/0/dev/x", "abs")])
    }

    @Test(arguments: ["-1", "x", "1x", "-0x", "1.5", " "])
    func refusesTextThatIsNoDepth(depth: String) throws {
        #expect(try client.ask(.watch, "/a\0t\0\(depth)\0") == .EINVAL)
        #expect(try client.ask(.unwatch, "/a\0t\0") == .ENOENT)
    }

    @Test func findsNothingToUnwatch() throws {
        #expect(try client.ask(.watch, "/a\0t\0") == .ok)
        let other = try daemon.connect()
        for payload in ["/a\0u\0", "/b\0t\0", "/a/b\0t\0", "@a\0t\0", "a\0t\0", "/a\0\0"] {
            #expect(try client.ask(.unwatch, payload) == .ENOENT)
        }
        #expect(try other.ask(.unwatch, "/a\0t\0") == .ENOENT)
        #expect(try client.ask(.unwatch, "/a\0t\0") == .ok)
        #expect(try client.ask(.unwatch, "/a\0t\0") == .ENOENT)
    }

    @Test func tellsNothingAfterUnwatch() throws {
        #expect(try client.ask(.watch, "/a\0t\0") == .ok)
        #expect(try client.ask(.watch, "/a\0u\0") == .ok)
        _ = try client.allEvents()
        #expect(try client.ask(.unwatch, "/a\0t\0") == .ok)
        #expect(try client.ask(.write, "/a\0v") == .ok)
        #expect(client.takeEvents() == [Event("/a", "u")])
    }

    @Test func unwatchesOneWithADepth() throws {
        #expect(try client.ask(.watch, "/a\0t\02\0") == .ok)
        #expect(try client.ask(.unwatch, "/a\0t\0") == .ok)
        #expect(try client.ask(.watch, "/a\0t\0") == .ok)
    }

    @Test func resetsWatchesAndTransactions() throws {
        let other = try daemon.connect()
        #expect(try other.ask(.watch, "/a\0other\0") == .ok)
        _ = try other.allEvents()
        for path in ["/a", "/b", "c", "@releaseDomain"] { #expect(try client.ask(.watch, "\(path)\0t\0") == .ok) }
        _ = try client.allEvents()
        let transaction = try client.startTransaction()
        #expect(try client.ask(.resetWatches, "\0") == .ok)
        #expect(try client.commit(transaction) == .ENOENT)
        #expect(try client.ask(.write, "/a\0v") == .ok)
        #expect(try client.allEvents() == [])
        #expect(try client.ask(.unwatch, "/a\0t\0") == .ENOENT)
        #expect(try other.allEvents() == [Event("/a", "other")], "those of others stay")
        #expect(try client.ask(.watch, "/a\0t\0") == .ok)
        _ = try client.allEvents()
        #expect(try client.ask(.write, "/a\0v") == .ok)
        #expect(client.takeEvents() == [Event("/a", "t")])
    }

    /// XSA-484: the transaction the request belongs to as well.
    @Test func resetsWithinATransaction() throws {
        let transaction = try client.startTransaction()
        #expect(try client.ask(.write, "/a\0v", in: transaction) == .ok)
        #expect(try client.ask(.resetWatches, "\0", in: transaction) == .ok)
        #expect(try client.ask(.read, "/a\0", in: transaction) == .ENOENT)
        #expect(try client.commit(transaction) == .ENOENT)
        #expect(try client.ask(.read, "/a\0") == .ENOENT)
    }

    /// What has been queued is told all the same.
    @Test func keepsEventsThatAreOnTheirWay() throws {
        let requests = [
            Message(.watch, "/a\0t\0", number: 1), Message(.write, "/a/b\0v", number: 2),
            Message(.resetWatches, "\0", number: 3),
        ]
        try client.send(requests.flatMap(\.bytes))
        for request in requests { #expect(try client.answer(to: request) == .ok) }
        #expect(client.takeEvents() == [Event("/a", "t"), Event("/a/b", "t")])
    }

    /// XSA-330.
    @Test func holdsNoMemoryForWatchesThatWereReset() throws {
        var bytes: [UInt8] = []
        for index in 0..<50 { bytes += Message(.watch, "/a/\(index)\0some token\0", number: 1).bytes }
        bytes += Message(.resetWatches, "\0", number: 2).bytes
        func round() throws {
            try client.send(bytes)
            while let message = try client.receive(), message.op != .resetWatches {}
        }
        for _ in 0..<20 { try round() }
        let before = try daemon.residentMemory
        for _ in 0..<200 { try round() }
        #expect(try daemon.residentMemory - before < 2048)
    }
}
