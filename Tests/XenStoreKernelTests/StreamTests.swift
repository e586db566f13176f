// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

/// A daemon dies at some moment of a guest's requests, and the next one goes on: each request is
/// answered once, in order, and carried out once.
@Suite struct StreamTests {
    private let storage = FailingStorage()
    private let page = Page()

    private struct Daemon {
        let host: EmbeddedHost
        let guest: PageTransport
        let dom0: Caller
    }

    private func start() throws -> Daemon {
        let host = try EmbeddedHost(storage: storage)
        let guest = PageTransport(page, host)
        return Daemon(host: host, guest: guest, dom0: host.caller(0))
    }

    /// The first daemon, with the guest introduced.
    private func begin() throws -> Daemon {
        let daemon = try start()
        daemon.dom0.makeHome(of: 5)
        #expect(daemon.dom0.introduce(5) == .ok)
        return daemon
    }

    private var answers: [String] {
        get throws { try #require(page.messages).map { "\($0.header.request) \($0)" } }
    }

    /// Has the daemon take what is there and die on the way, and another one take its place.
    private func dieAndResume(_ daemon: Daemon, _ death: PageTransport.Death) throws -> Daemon {
        daemon.guest.death = death
        daemon.guest.take()
        if death != .beforeCommit { daemon.host.settle() }
        let next = try start()
        next.guest.take()
        next.host.settle()
        return next
    }

    @Test(arguments: PageTransport.Death.allCases)
    func aChangeIsMadeOnceAndAnsweredOnce(death: PageTransport.Death) throws {
        let first = try begin()
        page.put(.write, "a\u{0}b", number: 1)
        page.put(.remove, "a\u{0}", number: 2)
        page.put(.makeDirectory, "d\u{0}", number: 3)
        let second = try dieAndResume(first, death)
        #expect(try answers == ["1 WRITE OK|", "2 RM OK|", "3 MKDIR OK|"])
        #expect(page.shown.taken == UInt32(page.requests.count))
        #expect(second.dom0.list("/local/domain/5") == .text("d|"))
    }

    @Test(arguments: PageTransport.Death.allCases)
    func aReadIsAnsweredOnceAndNeedsNoBatch(death: PageTransport.Death) throws {
        let first = try begin()
        first.dom0.write("/local/domain/5/name", "five")
        first.dom0.setPermissions("/local/domain/5/name", "n5")
        let before = storage.commits
        page.put(.read, "name\u{0}", number: 1)
        page.put(.directory, "\u{0}", number: 2)
        first.guest.death = death
        first.guest.take()
        if death != .beforeCommit { first.host.settle() }
        #expect(storage.commits == before)
        let second = try start()
        second.guest.take()
        second.host.settle()
        #expect(try answers.first == "1 READ five")
        #expect(try answers.map { $0.prefix(1) } == ["1", "2"])
    }

    @Test func anAnswerThatIsLongerThanTheRingGoesOnInTheMiddle() throws {
        let first = try begin()
        let value = String(repeating: "v", count: 3000)
        first.dom0.write("/local/domain/5/long", value)
        first.dom0.setPermissions("/local/domain/5/long", "n5")
        page.put(.read, "long\u{0}", number: 1)
        first.guest.take()
        first.host.settle()
        #expect(page.replies.count == 1024)
        let second = try start()
        second.host.settle()
        #expect(page.replies.count == 2048)
        second.guest.makeRoom()
        second.host.settle()
        #expect(try answers == ["1 READ \(value)"])
    }

    @Test func aRequestThatWasTakenInPartGoesOnInTheMiddle() throws {
        let first = try begin()
        page.put(.write, "long\u{0}" + String(repeating: "w", count: 2000), number: 1)
        first.guest.take(1024)
        first.host.settle()
        #expect(page.shown.taken == 1024)
        let second = try start()
        second.guest.take(500)
        second.host.settle()
        let third = try start()
        third.guest.take()
        third.host.settle()
        #expect(try answers == ["1 WRITE OK|"])
        #expect(third.dom0.read("/local/domain/5/long") == .text(String(repeating: "w", count: 2000)))
    }

    @Test(arguments: PageTransport.Death.allCases)
    func anEventIsNotLost(death: PageTransport.Death) throws {
        let first = try begin()
        page.put(.watch, "data\u{0}token\u{0}", number: 1)
        first.guest.take()
        first.host.settle()
        first.guest.death = death
        first.dom0.send(.write, "/local/domain/5/data\u{0}x")
        if death != .beforeCommit { first.host.settle() }
        let second = try start()
        second.host.settle()
        let events = try answers.dropFirst(2)
        #expect(Array(events) == (death == .beforeCommit ? [] : ["0 WATCH_EVENT data|token|"]))
        #expect(second.dom0.read("/local/domain/5/data") == (death == .beforeCommit ? .error(.ENOENT) : .text("x")))
    }

    @Test func anOpenTransactionHasToBeTriedAgain() throws {
        let first = try begin()
        page.put(.transactionStart, "\u{0}", number: 1)
        page.put(.transactionStart, "\u{0}", number: 2)
        page.put(.write, "a\u{0}b", in: 1, number: 3)
        first.guest.take()
        first.host.settle()
        let second = try start()
        page.put(.write, "c\u{0}d", in: 1, number: 4)
        page.put(.transactionEnd, "T\u{0}", in: 1, number: 5)
        page.put(.transactionEnd, "F\u{0}", in: 2, number: 6)
        page.put(.transactionEnd, "F\u{0}", in: 1, number: 7)
        page.put(.transactionStart, "\u{0}", number: 8)
        second.guest.take()
        second.host.settle()
        #expect(
            try answers.suffix(5) == [
                "4 WRITE OK|", "5 ERROR EAGAIN|", "6 TRANSACTION_END OK|", "7 ERROR ENOENT|", "8 TRANSACTION_START 3|",
            ])
        #expect(second.dom0.list("/local/domain/5") == .text(""))
    }

    @Test(arguments: PageTransport.Death.allCases)
    func aTransactionIsCommittedOnce(death: PageTransport.Death) throws {
        let first = try begin()
        page.put(.transactionStart, "\u{0}", number: 1)
        page.put(.write, "a\u{0}b", in: 1, number: 2)
        first.guest.take()
        first.host.settle()
        page.put(.transactionEnd, "T\u{0}", in: 1, number: 3)
        let second = try dieAndResume(first, death)
        let isLost = death == .beforeCommit
        #expect(try answers.last == (isLost ? "3 ERROR EAGAIN|" : "3 TRANSACTION_END OK|"))
        #expect(second.dom0.list("/local/domain/5") == .text(isLost ? "" : "a|"))
    }

    /// Some kernels clear the page before another takes over, with nothing on its way.
    @Test func aPeerMayMoveTheIndexes() throws {
        let first = try begin()
        page.put(.write, "a\u{0}b", number: 1)
        first.guest.take()
        first.host.settle()
        let connection = try #require(first.guest.connection)
        let moved = StreamIndexes(taken: 7, put: .max)
        first.host.engine.indexesMoved(on: connection, from: connection.indexes, to: moved)
        #expect(connection.indexes == moved)
        first.host.settle()
        #expect(storage.notes[Array("stream/5".utf8)]?.first == 7)
    }

    @Test func nothingIsKeptOfGoneGuests() throws {
        let first = try begin()
        page.room = 0
        page.put(.write, "a\u{0}b", number: 1)
        first.guest.take()
        first.host.settle()
        let keys = { storage.notes.keys.map { String(decoding: $0, as: UTF8.self) } }
        #expect(keys().contains { $0.hasPrefix("unsent/5/") })
        #expect(first.dom0.ask(.release, "5\u{0}") == .ok)
        #expect(keys().filter { $0.hasPrefix("stream/") || $0.hasPrefix("unsent/") } == [])
    }

    @Test func theKernelStartsWithBrokenStreamNotes() throws {
        let first = try begin()
        page.put(.write, "a\u{0}b", number: 1)
        first.guest.take()
        first.host.settle()
        for length in [0, 7, 8, 39, 40, 41, 48] {
            storage.overwriteNote("stream/5", Array(repeating: 0xff, count: length))
            storage.overwriteNote("unsent/5/18446744073709551615", [1, 2, 3])
            let next = try start()
            page.put(.read, "a\u{0}", number: 2)
            next.guest.take()
            next.host.settle()
        }
    }
}
