// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// The socket of those who may only look.
@Suite final class ReadOnlyTests: DaemonSuite {
    let reader: RawClient

    override init(_ daemon: Daemon) throws {
        reader = try daemon.connectReadOnly()
        try super.init(daemon)
        _ = try client.ask(.write, "/a/b\0v")
        _ = try client.ask(.setPerms, "/a/b\0n7\0")
    }

    @Test func aReaderReadsAndListsEverything() throws {
        #expect(try reader.ask(.read, "/a/b\0") == .data("v"), "as dom0 does, whosever it is")
        #expect(try reader.ask(.directory, "/\0") == .data("tool\0a\0"))
        #expect(try reader.ask(.getPerms, "/a/b\0") == .data("n7\0"))
        #expect(try reader.ask(.getPerms, "@releaseDomain\0") == .data("n0\0r32757\0"))
        #expect(try reader.ask(.directoryPart, "/a\00\0").strings.dropFirst() == ["b", ""])
        #expect(try reader.ask(.getDomainPath, "3\0") == .data("/local/domain/3\0"))
        #expect(try reader.ask(.getFeature, "") == .data("15\0"))
        #expect(try reader.ask(.read, "/nowhere\0") == .ENOENT)
    }

    @Test(
        arguments: [
            (.write, "/a/b\0w"), (.write, "/new\0v"), (.mkdir, "/new\0"), (.mkdir, "/a\0"), (.rm, "/a\0"),
            (.setPerms, "/a\0n0\0"),
        ] as [(Op, String)])
    func aReaderChangesNothing(op: Op, payload: String) throws {
        #expect(try client.ask(.watch, "/\0t\0") == .ok)
        _ = try client.allEvents()
        #expect(try reader.ask(op, payload) == .EROFS)
        let transaction = try reader.startTransaction()
        #expect(try reader.ask(op, payload, in: transaction) == .EROFS)
        #expect(try reader.commit(transaction) == .ok)
        #expect(try client.ask(.directory, "/\0") == .data("tool\0a\0"))
        #expect(try client.ask(.read, "/a/b\0") == .data("v"))
        #expect(try client.allEvents() == [])
    }

    @Test(arguments: Valid.requests.filter { Valid.privileged.contains($0.op) })
    func aReaderMayNotUseTheToolstacksRequests(request: Message) throws {
        #expect(try reader.ask(request.op, bytes: request.payload) == .EACCES)
    }

    @Test(arguments: ["0\0", "5\0", "\0"]) func aReaderMayNotAskForTheFeaturesOfADomain(payload: String) throws {
        #expect(try reader.ask(.getFeature, payload) == .EACCES)
    }

    @Test func aReaderGetsEvents() throws {
        #expect(try reader.ask(.watch, "/a\0t\0") == .ok)
        #expect(try reader.allEvents() == [Event("/a", "t")])
        #expect(try client.ask(.write, "/a/b\0w") == .ok)
        #expect(try reader.nextEvent() == Event("/a/b", "t"))
        #expect(try reader.ask(.unwatch, "/a\0t\0") == .ok)
        #expect(try reader.ask(.watch, "/a\0t\0") == .ok)
        #expect(try reader.ask(.resetWatches, "") == .ok)
    }

    @Test func aReaderReadsInTransactions() throws {
        let transaction = try reader.startTransaction()
        #expect(try reader.ask(.read, "/a/b\0", in: transaction) == .data("v"))
        #expect(try client.ask(.write, "/a/b\0w") == .ok)
        #expect(try reader.ask(.read, "/a/b\0", in: transaction) == .data("v"))
        #expect(try reader.commit(transaction) == .ok, "it saw one moment")
        let another = try reader.startTransaction()
        #expect(try reader.ask(.read, "/a/b\0", in: another) == .data("w"))
        #expect(try reader.commit(another) == .ok)
    }

    @Test(arguments: [15, 16, 20, 27] as [UInt32]) func refusesAnUnknownType(type: UInt32) throws {
        #expect(try reader.ask(Op(rawValue: type), "") == .ENOSYS)
    }
}
