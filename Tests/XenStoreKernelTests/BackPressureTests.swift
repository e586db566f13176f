// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreKernel

/// Clients that do not read, and clients whose events are not read.
@Suite struct BackPressureTests {
    let house: House
    let dom0: Caller
    let guest: Caller

    init() throws {
        house = try House()
        dom0 = house.dom0
        guest = house.guest(5)
    }

    /// A guest that takes no byte, and a watch of its own on `path`.
    private func deafWatcher(_ domain: UInt16, on path: String) -> Caller {
        let watcher = house.guest(domain)
        watcher.listen(path)
        watcher.client.appetite = 0
        return watcher
    }

    // MARK: Clients that do not read

    @Test func aGuestHasAsManyRequestsUnderWayAsItsQuota() {
        guest.client.appetite = 0
        for number in 0..<100 { guest.send(.write, "n\(number)\0", number: UInt32(number)) }
        house.host.settle()
        #expect(house.usage(5).outstanding == 20)
        #expect(guest.session.state == .blocked(.outstandingRequests))
        #expect(!guest.session.isReading)
        #expect(house.usage(5).nodes == 21)
    }

    @Test func aGuestThatReadsAgainIsServedInOrderOneReplyEach() {
        guest.client.appetite = 0
        for number in 0..<100 { guest.send(.write, "n\(number)\0", number: UInt32(number)) }
        house.host.settle()
        guest.client.resume()
        house.host.settle()
        #expect(guest.client.takeMessages().map(\.header.request) == (0..<100).map { UInt32($0) })
        #expect(guest.session.state == .ok)
        #expect(guest.session.isReading)
        #expect(house.usage(5).outstanding == 0)
    }

    @Test func readingByteByByteIsReadingToo() {
        guest.client.appetite = 0
        for number in 0..<50 { guest.send(.read, "none\0", number: UInt32(number)) }
        house.host.settle()
        for _ in 0..<(50 * (16 + 7)) {
            guest.client.resume(appetite: 1)
            house.host.settle()
        }
        #expect(guest.client.takeMessages().map(\.header.request) == (0..<50).map { UInt32($0) })
        #expect(house.usage(5).outstanding == 0)
    }

    /// XSA-326, XSA-416: without quotas as well, what waits for one client is bounded.
    @Test(arguments: [0, 5] as [UInt16])
    func unreadRepliesAreBounded(domain: UInt16) throws {
        let house = try House(limits: [.outstanding: 0, .memory: 0, .nodeSize: 0])
        let caller = house.guest(domain)
        caller.write("x", String(repeating: "v", count: 4000))
        caller.client.appetite = 0
        for _ in 0..<1000 {
            if !caller.session.isReading { break }
            caller.send(.read, "x\0")
            house.host.settle()
        }
        #expect(caller.session.state == .blocked(.peerNotReading))
        #expect(caller.session.unsent.count < 80_000)
        #expect(house.dom0.read("/tool") == .text(""))
        caller.client.resume()
        house.host.settle()
        #expect(caller.session.state == .ok)
    }

    @Test func aBlockedSessionHandlesNothingThatStillComes() {
        guest.client.appetite = 0
        for number in 0..<20 { guest.send(.write, "n\(number)\0") }
        house.host.settle()
        for number in 20..<40 { guest.send(.write, "n\(number)\0") }
        house.host.settle()
        #expect(dom0.read("/local/domain/5/n19") == .text(""))
        #expect(dom0.read("/local/domain/5/n20") == .error(.ENOENT))
    }

    @Test func aDom0ClientThatNeverReadsItsEventsIsGivenUp() {
        let other = house.caller(0)
        let token = String(repeating: "t", count: 3900)
        other.listen("/", token)
        other.client.appetite = 0
        for number in 0..<9000 where !other.client.isClosed { dom0.write("/n/\(number)") }
        #expect(other.client.isClosed)
        #expect(house.watchCount == 0)
        #expect(house.log(.warning).count == 1)
        house.expectSound()
    }

    // MARK: Memory

    /// A watch flood with a watcher that does not read: it loses events, and nobody else anything.
    @Test func eventsBeyondTheMemoryQuotaAreDropped() throws {
        let house = try House(limits: [.memory: 5000])
        let watcher = house.guest(5)
        house.dom0.mkdir("/open")
        house.dom0.setPermissions("/open", "r0")
        watcher.listen("/open")
        watcher.client.appetite = 0
        for number in 0..<1000 { #expect(house.dom0.write("/open/\(number)") == .ok) }
        #expect((4900...5000).contains(house.usage(5).memory))
        house.expectSound()
        watcher.client.resume()
        let count = watcher.takeEvents().count
        #expect((50..<500).contains(count))
        house.dom0.write("/open/again")
        #expect(watcher.takeEvents() == ["/open/again|t|"])
    }

    @Test func aGuestOutOfMemoryIsNotReadFromWhileItHasToRead() throws {
        let house = try House(limits: [.memory: 3000, .outstanding: 0])
        let guest = house.guest(5)
        guest.write("x", String(repeating: "v", count: 1000))
        guest.client.appetite = 0
        for _ in 0..<10 { guest.send(.read, "x\0") }
        house.host.settle()
        #expect(guest.session.state == .blocked(.memory))
        #expect(house.usage(5).memory < 5000)
        guest.client.resume()
        house.host.settle()
        #expect(guest.takeReplies().count == 10)
    }

    @Test func aGuestOutOfMemoryMayStillRemove() throws {
        let house = try House(own: [5: [.memory: 1000]])
        let guest = house.guest(5)
        house.dom0.write("/local/domain/5/big", String(repeating: "v", count: 3000))
        #expect(guest.write("x") == .error(.EIO))
        #expect(guest.rm("big") == .ok)
        #expect(guest.write("x") == .ok)
    }

    // MARK: Events that are not read

    @Test func unreadEventsHoldUpWhoCausedThem() {
        guest.write("x")
        guest.setPermissions("x", "r5")
        _ = deafWatcher(6, on: "/local/domain/5/x")
        for _ in 0..<30 {
            guest.send(.write, "x/y\0")
            guest.send(.remove, "x/y\0")
        }
        house.host.settle()
        // Equal events are one, so the source is not held up by more than one of each.
        #expect(house.usage(5).outstanding <= 2)
        for number in 0..<100 { guest.send(.write, "x/\(number)\0") }
        house.host.settle()
        #expect(house.usage(5).outstanding == 20)
        #expect(guest.session.state == .blocked(.outstandingRequests))
    }

    @Test func theSourceGoesOnWhenTheEventsAreRead() {
        guest.write("x")
        guest.setPermissions("x", "r5")
        let watcher = deafWatcher(6, on: "/local/domain/5/x")
        for number in 0..<30 { guest.send(.write, "x/\(number)\0") }
        house.host.settle()
        #expect(guest.takeReplies().count == 20)
        watcher.client.resume()
        house.host.settle()
        #expect(guest.takeReplies().count == 10)
        #expect(guest.session.state == .ok)
        #expect(house.usage(5).outstanding == 0)
    }

    @Test func theSourceGoesOnAfterTwentySeconds() {
        guest.write("x")
        guest.setPermissions("x", "r5")
        let watcher = deafWatcher(6, on: "/local/domain/5/x")
        for number in 0..<30 { guest.send(.write, "x/\(number)\0") }
        house.host.settle()
        house.host.advance(milliseconds: 19_999)
        #expect(guest.session.state == .blocked(.outstandingRequests))
        house.host.advance(milliseconds: 1)
        house.host.settle()
        #expect(guest.takeReplies().count == 30)
        #expect(guest.session.state == .ok)
        watcher.client.resume()
        #expect(watcher.takeEvents().count == 10, "those of the second go")
        house.expectSound()
    }

    @Test func theSourceGoesOnWhenTheWatcherVanishes() {
        guest.write("x")
        guest.setPermissions("x", "r5")
        let watcher = deafWatcher(6, on: "/local/domain/5/x")
        for number in 0..<30 { guest.send(.write, "x/\(number)\0") }
        house.host.settle()
        watcher.client.hangUp()
        house.host.settle()
        #expect(guest.takeReplies().count == 30)
        #expect(house.usage(5).outstanding == 0)
    }

    @Test func dom0IsHeldUpByNobody() {
        dom0.write("/open")
        dom0.setPermissions("/open", "r0")
        _ = deafWatcher(6, on: "/open")
        for number in 0..<200 { #expect(dom0.write("/open/\(number)") == .ok) }
    }

    @Test func theDaemonWakesUpToDropEvents() {
        dom0.write("/open")
        dom0.setPermissions("/open", "r0")
        _ = deafWatcher(6, on: "/open")
        dom0.write("/open")
        let at = house.host.now.advanced(byMilliseconds: 20_000)
        #expect(house.host.settle() == .until(at))
        house.host.advance(milliseconds: 20_000)
        #expect(house.host.settle() == .forever)
    }

    @Test func whatHasBegunToGoOutIsNotDropped() {
        dom0.write("/open")
        dom0.setPermissions("/open", "r0")
        let watcher = deafWatcher(6, on: "/open")
        watcher.client.appetite = 10
        for name in ["a", "b", "c"] { dom0.write("/open/\(name)") }
        house.host.advance(milliseconds: 20_000)
        dom0.write("/open/d")
        watcher.client.resume()
        #expect(watcher.takeEvents() == ["/open/a|t|", "/open/d|t|"])
    }

    @Test func aDroppedEventIsToldAnewNextTime() {
        dom0.write("/open")
        dom0.setPermissions("/open", "r0")
        let watcher = deafWatcher(6, on: "/open")
        dom0.write("/open")
        house.host.advance(milliseconds: 20_000)
        #expect(house.usage(6).memory == house.usage(6).memory)
        watcher.client.resume()
        #expect(watcher.takeEvents() == [])
        dom0.write("/open")
        #expect(watcher.takeEvents() == ["/open|t|"])
    }

    /// Events grow old; replies never.
    @Test func repliesAreNeverDropped() {
        guest.write("x")
        guest.setPermissions("x", "r5")
        let watcher = deafWatcher(6, on: "/local/domain/5/x")
        guest.listen("x", "own")
        guest.client.appetite = 0
        for number in 0..<5 { guest.send(.write, "x/\(number)\0", number: UInt32(number)) }
        house.host.settle()
        house.host.advance(milliseconds: 60_000)
        guest.client.resume()
        house.host.settle()
        let messages = guest.client.takeMessages()
        #expect(messages.filter { !$0.isEvent }.map(\.header.request) == [0, 1, 2, 3, 4])
        #expect(house.usage(5).outstanding == 0)
        #expect(house.usage(6).outstanding == 0)
        watcher.client.resume()
        #expect(watcher.takeEvents() == [])
        house.expectSound()
    }

    /// Many thousands of events grow old at once: dropping them is one pass over them.
    @Test(.timeLimit(.minutes(1)))
    func aFloodOfOldEventsGoesInOnePass() throws {
        let house = try House(limits: [.memory: 0])
        house.dom0.write("/open")
        house.dom0.setPermissions("/open", "r0")
        let watcher = house.guest(6)
        watcher.listen("/open")
        watcher.client.appetite = 0
        for number in 0..<30_000 { house.dom0.write("/open/\(number)") }
        house.host.advance(milliseconds: 40_000)
        #expect(watcher.session.unsent.count == 0)
        #expect(watcher.session.delivery.isEmpty)
        house.expectSound()
    }

    /// A reader that is always a little behind costs no more than what it is behind.
    @Test func aSlowReadersMarksDoNotPileUp() {
        let other = house.caller(0)
        other.listen("/x")
        other.client.appetite = 0
        for number in 0..<5000 {
            dom0.write("/x/\(number)")
            if number >= 10 { other.client.resume(appetite: 16 + "/x/\(number - 10)|t|".utf8.count) }
        }
        #expect(other.session.delivery.marks.count < 200)
        other.client.resume()
        #expect(other.takeEvents().count == 5000)
    }
}
