// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// Which changes are told to whom, in which order.
@Suite final class EventTests: DaemonSuite {
    let watcher: RawClient

    override init(_ daemon: Daemon) throws {
        watcher = try daemon.connect()
        try super.init(daemon)
        for path in ["/a/b/c/d", "/a/x", "/ab"] { _ = try client.ask(.write, "\(path)\0v") }
    }

    private func watch(_ watches: String...) throws {
        for watch in watches { #expect(try watcher.ask(.watch, watch) == .ok) }
        _ = try watcher.allEvents()
    }

    /// What the watcher is told of a request.
    private func events(of op: Op, _ payload: String) throws -> [Event] {
        _ = try client.ask(op, payload)
        return try watcher.allEvents()
    }

    /// The watched path, the depth if there is one, and how far down it looks: the changes to `/a`,
    /// `/a/b` and so on to `/a/b/c/d` that it is told of.
    @Test(
        arguments: [
            ("/", nil, [1, 2, 3, 4]), ("/a", nil, [1, 2, 3, 4]), ("/a/b", nil, [2, 3, 4]), ("/a/b/c/d", nil, [4]),
            ("/a/b/c/d/e", nil, []), ("/ab", nil, []), ("/a/x", nil, []), ("/b", nil, []),
            ("/", 0, []), ("/", 1, [1]), ("/", 2, [1, 2]), ("/", 4, [1, 2, 3, 4]), ("/", 99, [1, 2, 3, 4]),
            ("/a", 0, [1]), ("/a", 1, [1, 2]), ("/a", 2, [1, 2, 3]), ("/a/b/c/d", 0, [4]), ("/a/b", 1, [2, 3]),
            ("/a", 2_000_000_000, [1, 2, 3, 4]),
        ] as [(String, Int?, [Int])])
    func tellsOfChangesAtAndBelow(path: String, depth: Int?, levels: [Int]) throws {
        try watch("\(path)\0t\0" + (depth.map { "\($0)\0" } ?? ""))
        let paths = ["/a", "/a/b", "/a/b/c", "/a/b/c/d"]
        for (level, changed) in zip(1..., paths) {
            let told = levels.contains(level) ? [Event(changed, "t")] : []
            #expect(try events(of: .write, "\(changed)\0v") == told, "\(changed)")
            #expect(try events(of: .setPerms, "\(changed)\0r0\0") == told, "\(changed)")
        }
    }

    @Test func tellsOfTheRoot() throws {
        try watch("/\0t\0", "/\0u\00\0", "/a\0v\0")
        #expect(try events(of: .write, "/\0v") == [Event("/", "t"), Event("/", "u")])
    }

    @Test func tellsOfTheWrittenNodeButNotOfItsNewParents() throws {
        try watch("/\0t\0", "/new\0u\0", "/new/path\0v\00\0")
        #expect(
            try events(of: .write, "/new/path/to/it\0v") == [
                Event("/new/path/to/it", "t"), Event("/new/path/to/it", "u"),
            ])
        #expect(try events(of: .mkdir, "/other/path\0") == [Event("/other/path", "t")])
    }

    @Test func tellsOfEveryWriteButNotOfRequestsWithoutEffect() throws {
        try watch("/a\0t\0")
        #expect(try events(of: .write, "/a\0same") == [Event("/a", "t")])
        #expect(try events(of: .write, "/a\0same") == [Event("/a", "t")])
        #expect(try events(of: .setPerms, "/a\0n0\0") == [Event("/a", "t")])
        #expect(try events(of: .mkdir, "/a\0") == [])
        #expect(try events(of: .mkdir, "/a/b\0") == [])
        #expect(try events(of: .rm, "/a/nowhere\0") == [])
        #expect(try events(of: .rm, "/a/nowhere/at/all\0") == [])
        #expect(try events(of: .write, "/a//b\0") == [])
        #expect(try events(of: .setPerms, "/a\0x\0") == [])
        for op in [Op.read, .directory, .getPerms] { #expect(try events(of: op, "/a\0") == []) }
    }

    @Test func tellsOfARemovalOnceAndExactWatchesBelowBefore() throws {
        try watch("/\0root\0", "/a\0top\0", "/a/b/c\0below\0", "/a/b/c/d\0leaf\0", "/a/b/c/d/e\0none\0", "/a/b\0self\0")
        #expect(
            try events(of: .rm, "/a/b\0") == [
                Event("/a/b/c/d", "leaf"), Event("/a/b/c", "below"), Event("/a/b", "root"), Event("/a/b", "top"),
                Event("/a/b", "self"),
            ])
        #expect(try events(of: .rm, "/a/b\0") == [])
    }

    @Test func tellsEachWatchOfARemovedTreeAtAnyDepth() throws {
        try watch("/a\0t\00\0", "/a\0u\01\0", "/a/b/c\0v\00\0")
        #expect(try events(of: .rm, "/a/b\0") == [Event("/a/b/c", "v"), Event("/a/b", "u")])
        #expect(try events(of: .rm, "/a\0") == [Event("/a", "t"), Event("/a", "u")])
    }

    @Test func tellsInTheOrderInWhichWatchesWereMade() throws {
        try watch("/a/b\01\0", "/\02\0", "/a\03\0", "/a/b\04\0", "/a\05\0")
        #expect(try events(of: .write, "/a/b\0v").map(\.token) == ["1", "2", "3", "4", "5"])
        #expect(try watcher.ask(.unwatch, "/\02\0") == .ok)
        try watch("/\06\0")
        #expect(try events(of: .write, "/a/b\0v").map(\.token) == ["1", "3", "4", "5", "6"])
    }

    @Test func sendsEventsBeforeTheReply() throws {
        #expect(try client.ask(.watch, "/a\0t\0") == .ok)
        _ = try client.allEvents()
        for (op, payload) in [(Op.write, "/a\0v"), (.setPerms, "/a\0r0\0"), (.mkdir, "/a/new\0"), (.rm, "/a\0")] {
            #expect(try client.ask(op, payload) == .ok)
            #expect(client.takeEvents().count == 1, "\(op)")
            #expect(try client.allEvents() == [], "\(op)")
        }
    }

    @Test func tellsOfSpecialNodesWhosePermissionsChange() throws {
        try watch("@releaseDomain\0t\0", "@introduceDomain\0u\0", "@other\0v\0", "/\0w\0")
        #expect(try events(of: .setPerms, "@releaseDomain\0n0\0") == [Event("@releaseDomain", "t")])
        #expect(try events(of: .setPerms, "@introduceDomain\0n0\0r3\0") == [Event("@introduceDomain", "u")])
    }

    @Test func tellsEveryConnection() throws {
        let others = try (0..<20).map { _ in try daemon.connect() }
        for (number, other) in others.enumerated() { #expect(try other.ask(.watch, "/a\0\(number)\0") == .ok) }
        for other in others { _ = try other.allEvents() }
        #expect(try client.ask(.write, "/a/b\0v") == .ok)
        for (number, other) in others.enumerated() { #expect(try other.allEvents() == [Event("/a/b", "\(number)")]) }
    }

    /// XSA-324: an event longer than a message can be is not sent, and breaks nothing.
    @Test func dropsAnEventThatDoesNotFit() throws {
        let token = String(repeating: "t", count: 2048)
        let path = "/a/" + String(repeating: "p", count: 4096 - 2 - 2048 - 3)
        try watch("/a\0\(token)\0", "/a\0short\0")
        #expect(try events(of: .write, "\(path)\0v") == [Event(path, token), Event(path, "short")])
        #expect(try events(of: .write, "\(path)p\0v") == [Event(path + "p", "short")])
        #expect(try events(of: .write, "/a/b\0v") == [Event("/a/b", token), Event("/a/b", "short")])
    }

    /// Equal events of which nothing has gone out yet are one.
    @Test func tellsEqualEventsThatWaitOnce() throws {
        #expect(try client.ask(.watch, "/a\0t\0") == .ok)
        _ = try client.allEvents()
        let writes = (0..<100).map { Message(.write, "/a\0\($0)", number: UInt32(1000 + $0)) }
        try client.send(writes.flatMap(\.bytes))
        for write in writes { #expect(try client.answer(to: write) == .ok) }
        #expect((1...100).contains(client.takeEvents().count))
        #expect(try client.ask(.write, "/a\0last") == .ok)
        #expect(client.takeEvents() == [Event("/a", "t")])
    }
}
