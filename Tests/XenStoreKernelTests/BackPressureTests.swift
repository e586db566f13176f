// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStoreTestKit
import XenStoreWire

@testable import XenStoreKernel

/// Clients that do not read their replies.
@Suite final class BackPressureTests: GuestSuite {
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
