// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreKernel

/// Guests that do not read their events: what is kept for them, and who waits for them.
@Suite final class UnreadEventTests: GuestSuite {
    /// A reader's budget: eight events of the paths used here.
    private static let budget = 8 * 120

    override init() throws {
        super.init(in: try House(limits: [.eventMemory: UnreadEventTests.budget]))
        guest.write("x")
        guest.setPermissions("x", "r5")
        dom0.write("/open")
        dom0.setPermissions("/open", "r0")
    }

    /// A guest that takes no byte, and a watch of its own on `path`.
    private func deafWatcher(_ domain: UInt16, on path: String) -> Caller {
        let watcher = house.guest(domain)
        watcher.listen(path)
        watcher.client.appetite = 0
        return watcher
    }

    private func write(_ count: Int) {
        for number in 0..<count { guest.send(.write, "x/\(100 + number)\0") }
        house.host.settle()
    }

    // MARK: Within the budget

    @Test func withinTheBudgetNobodyWaitsAndNothingIsLost() {
        let watcher = deafWatcher(6, on: "/local/domain/5/x")
        write(8)
        #expect(guest.takeReplies().count == 8)
        #expect(house.usage(5).outstanding == 0)
        house.host.advance(milliseconds: 3_600_000)
        house.host.settle()
        watcher.client.resume()
        #expect(watcher.takeEvents().count == 8)
        house.expectSound()
    }

    @Test func equalEventsAreOneWhereverTheyWait() {
        let watcher = deafWatcher(6, on: "/local/domain/5/x")
        for _ in 0..<200 {
            guest.send(.write, "x/a\0")
            guest.send(.write, "x/b\0")
            house.host.settle()
        }
        #expect(guest.takeReplies().count == 400, "the writer was held up by nothing")
        watcher.client.resume()
        #expect(watcher.takeEvents() == ["/local/domain/5/x/a|t|", "/local/domain/5/x/b|t|"])
    }

    @Test func aWriterCannotUseUpItsVictimsMemory() throws {
        let before = house.usage(6).memory
        let watcher = deafWatcher(6, on: "/local/domain/5/x")
        let watching = house.usage(6).memory
        write(50)
        #expect(house.usage(6).memory == watching)
        #expect(house.usage(6).events <= UnreadEventTests.budget)
        #expect(house.usage(6).events > UnreadEventTests.budget / 2)
        watcher.client.hangUp()
        #expect(house.usage(6).events == 0)
        #expect(house.usage(6).memory - before < 200, "its home")
        house.expectSound()
    }

    // MARK: Beyond it

    @Test func beyondTheBudgetTheWriterWaits() {
        let watcher = deafWatcher(6, on: "/local/domain/5/x")
        write(30)
        #expect(guest.takeReplies().count == 9)
        #expect(guest.session.state == .blocked(.unreadEvents))
        #expect(dom0.write("/open/x") == .ok, "and nobody else")
        watcher.client.resume()
        house.host.settle()
        #expect(guest.takeReplies().count == 21)
        #expect(watcher.takeEvents().count == 30)
        #expect(guest.session.state == .ok)
        #expect(house.usage(5).outstanding == 0)
        house.expectSound()
    }

    @Test func aLittleReadingMakesRoomForTheWriter() {
        let watcher = deafWatcher(6, on: "/local/domain/5/x")
        write(30)
        _ = guest.takeReplies()
        watcher.client.resume(appetite: 60)
        house.host.settle()
        #expect(guest.takeReplies().count == 1)
        house.expectSound()
    }

    /// Once in a deaf reader's life, and not for each twenty writes.
    @Test func theWriterGoesOnAfterTheTimeOutAndWaitsNoMore() {
        let watcher = deafWatcher(6, on: "/local/domain/5/x")
        write(30)
        _ = guest.takeReplies()
        house.host.advance(milliseconds: 19_999)
        #expect(guest.session.state == .blocked(.unreadEvents))
        house.host.advance(milliseconds: 1)
        house.host.settle()
        #expect(guest.takeReplies().count == 21)
        write(30)
        #expect(guest.takeReplies().count == 30)
        #expect(house.log(.warning).contains { $0.contains("domain 6 does not read its events") })
        watcher.client.resume()
        #expect(watcher.takeEvents().count == 8, "what was within its budget is there")
        guest.write("x/again")
        #expect(watcher.takeEvents() == ["/local/domain/5/x/again|t|"])
        house.expectSound()
    }

    @Test func theTimeOutIsAKey() throws {
        let house = try House(limits: [.eventMemory: 1, .eventTimeout: 3])
        house.dom0.write("/open")
        house.dom0.setPermissions("/open", "b0")
        let watcher = house.guest(6)
        watcher.listen("/open")
        watcher.client.appetite = 0
        let writer = house.guest(5)
        writer.send(.write, "/open/a\0")
        house.host.settle()
        house.host.advance(milliseconds: 3000)
        #expect(house.host.settle() == .forever)
    }

    @Test func theWriterGoesOnWhenTheWatcherVanishes() {
        let watcher = deafWatcher(6, on: "/local/domain/5/x")
        write(30)
        watcher.client.hangUp()
        house.host.settle()
        #expect(guest.takeReplies().count == 30)
        #expect(house.usage(5).outstanding == 0)
        house.expectSound()
    }

    @Test func raisingTheBudgetLetsTheWriterGoOn() {
        let watcher = deafWatcher(6, on: "/local/domain/5/x")
        write(10)
        #expect(guest.session.state == .blocked(.unreadEvents))
        #expect(dom0.ask(.setQuota, "6\0event-memory\0100000\0") == .ok)
        house.host.settle()
        #expect(guest.takeReplies().count == 10)
        watcher.client.resume()
        #expect(watcher.takeEvents().count == 10)
        house.expectSound()
    }

    @Test func dom0WaitsForNobody() {
        let watcher = deafWatcher(6, on: "/open")
        for number in 0..<200 { #expect(dom0.write("/open/\(number)") == .ok) }
        #expect(watcher.session.unsent.count < 2 * UnreadEventTests.budget)
        #expect(house.log(.warning).filter { $0.contains("does not read") }.count == 1)
        watcher.client.resume()
        #expect((8...40).contains(watcher.takeEvents().count))
        house.expectSound()
    }

    /// The victim of a writer still hears of dom0.
    @Test func dom0sEventsFindRoomWhereAGuestHasFilledIt() {
        let watcher = deafWatcher(6, on: "/")
        write(30)
        house.dom0.write("/open/shutdown")
        watcher.client.resume()
        #expect(watcher.takeEvents().contains("/open/shutdown|t|"))
    }

    @Test func aPartlySentEventIsNotDropped() {
        let watcher = deafWatcher(6, on: "/local/domain/5/x")
        watcher.client.appetite = 10
        write(9)
        house.host.advance(milliseconds: 20_000)
        watcher.client.resume()
        #expect(watcher.takeEvents().first == "/local/domain/5/x/100|t|")
        house.expectSound()
    }

    /// Events grow old; replies never.
    @Test func repliesAreNeverDropped() {
        let watcher = deafWatcher(6, on: "/local/domain/5/x")
        guest.listen("x", "own")
        guest.client.appetite = 0
        for number in 0..<15 { guest.send(.write, "x/\(100 + number)\0", number: UInt32(number)) }
        house.host.settle()
        house.host.advance(milliseconds: 60_000)
        guest.client.resume()
        house.host.settle()
        house.host.advance(milliseconds: 60_000)
        house.host.settle()
        let messages = guest.client.takeMessages()
        #expect(messages.filter { !$0.isEvent }.map(\.header.request) == (0..<15).map { UInt32($0) })
        #expect(house.usage(5).outstanding == 0)
        watcher.client.resume()
        house.expectSound()
    }

    /// One request causes a thousand events beyond the budget: dropping them is one pass over them.
    @Test func manyOldEventsGoAtOnce() throws {
        let house = try House(limits: [.eventMemory: 200_000, .nodes: 0])
        let writer = house.guest(5)
        writer.write("x")
        writer.setPermissions("x", "r5")
        let watcher = house.guest(6)
        watcher.listen("/local/domain/5/x")
        watcher.client.appetite = 0
        for number in 0..<1500 { #expect(house.dom0.write("/local/domain/5/x/\(number)") == .ok) }
        let transaction = writer.start()
        for number in 0..<900 { #expect(writer.write("x/n\(number)", in: transaction) == .ok) }
        #expect(writer.commit(transaction) == .ok)
        #expect(watcher.session.delivery.excess > 50_000)
        house.host.advance(milliseconds: 20_000)
        #expect(watcher.session.delivery.excess == 0)
        watcher.client.resume()
        #expect((1500..<2000).contains(watcher.takeEvents().count))
        house.expectSound()
    }
}
