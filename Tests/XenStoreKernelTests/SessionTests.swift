// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit
import XenStoreWire

import struct TestSupport.Randomness

@testable import XenStoreEngine
@testable import XenStoreKernel

/// Bytes in, bytes out: frames in pieces, frames in heaps, and bytes that are no frames.
@Suite final class SessionTests: HouseSuite {
    override init() throws {
        try super.init()
        dom0.write("/x", "v")
    }

    private func frame(_ operation: Operation, _ payload: String, number: UInt32 = 0) -> [UInt8] {
        Message.bytes(operation.rawValue, request: number, Array(payload.utf8))
    }

    // MARK: Pieces

    @Test func aFrameMayComeInAnyTwoPieces() {
        let frame = frame(.read, "/x\0")
        for split in 0...frame.count {
            dom0.client.send(bytes: Array(frame[..<split]))
            house.host.settle()
            if split < frame.count { #expect(dom0.takeAll() == []) }
            dom0.client.send(bytes: Array(frame[split...]))
            house.host.settle()
            if split < frame.count { #expect(dom0.takeAll() == ["READ v"]) }
        }
    }

    @Test func framesMayComeInAnyTwoPieces() {
        let frames = frame(.write, "/y\0w") + frame(.read, "/y\0") + frame(.read, "/x\0")
        for split in 0...frames.count {
            dom0.client.send(bytes: Array(frames[..<split]))
            house.host.settle()
            dom0.client.send(bytes: Array(frames[split...]))
            house.host.settle()
            #expect(dom0.takeAll() == ["WRITE OK|", "READ w", "READ v"])
        }
    }

    @Test func framesMayComeByteByByte() {
        for byte in frame(.write, "/y\0w") + frame(.read, "/y\0") { dom0.client.send(bytes: [byte]) }
        house.host.settle()
        #expect(dom0.takeAll() == ["WRITE OK|", "READ w"])
        #expect(dom0.session.state == .ok)
    }

    @Test func halfAFrameIsBusyAndWaits() {
        dom0.client.send(bytes: Array(frame(.read, "/x\0").dropLast()))
        #expect(house.host.settle() == .forever)
        #expect(dom0.session.state == .busy)
        #expect(house.caller(0).read("/x") == .text("v"))
    }

    @Test func theLargestFrameIsServed() {
        #expect(dom0.write("/y", String(repeating: "v", count: 4096 - 3)) == .ok)
    }

    // MARK: No frames

    @Test(arguments: [4097, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] as [UInt32])
    func anOversizedFrameEndsTheSessionAfterWhatCameBefore(length: UInt32) {
        let header = [UInt8](Message.bytes(2, []).prefix(12)) + withUnsafeBytes(of: length) { Array($0) }
        let bytes = frame(.write, "/before\0") + header + frame(.write, "/behind\0")
        for caller in [house.caller(0), house.caller(5)] {
            caller.client.send(bytes: bytes)
            house.host.settle()
            #expect(caller.client.isClosed)
            #expect(caller.takeReplies().count == 1)
        }
        #expect(dom0.read("/before") == .text(""))
        #expect(dom0.read("/behind") == .error(.ENOENT))
        #expect(house.engine.kernel.sessions.all.count == 1)
    }

    @Test func anOversizedFrameInPiecesEndsTheSession() {
        let caller = house.caller(0)
        for byte in [UInt8](repeating: 0xff, count: 16) {
            #expect(!caller.client.isClosed)
            caller.client.send(bytes: [byte])
        }
        house.host.settle()
        #expect(caller.client.isClosed)
    }

    @Test func nothingIsHandledAfterTheEnd() {
        let caller = house.caller(0)
        caller.client.send(bytes: [UInt8](repeating: 0xff, count: 16))
        caller.client.send(bytes: frame(.write, "/late\0"))
        house.host.settle()
        caller.client.send(bytes: frame(.write, "/late\0"))
        house.host.settle()
        #expect(dom0.read("/late") == .error(.ENOENT))
        #expect(caller.takeAll() == [])
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func randomBytesEndNobodyElse(seed: UInt64) {
        var random = Randomness(seed: seed)
        for domain in [0, 5] as [UInt16] {
            let caller = house.caller(domain)
            for _ in 0..<40 where !caller.client.isClosed {
                // Small numbers, so that many headers are nearly right.
                let bytes = (0..<Int.random(in: 1...60, using: &random)).map { _ in
                    UInt8.random(in: 0...(Bool.random(using: &random) ? 3 : 255), using: &random)
                }
                caller.client.send(bytes: bytes)
                house.host.settle()
            }
            caller.client.hangUp()
        }
        #expect(dom0.read("/x") == .text("v"), "seed \(seed)")
        house.expectSound("seed \(seed)")
    }

    // MARK: Fairness

    @Test func aBusyClientStarvesNobody() {
        let busy = house.caller(0)
        busy.client.send(bytes: (0..<10_000).flatMap { frame(.read, "/x\0", number: UInt32($0)) })
        dom0.send(.read, "/x\0")
        let wait = house.engine.endTurn(at: house.host.now)
        #expect(wait == .none)
        #expect(dom0.takeAll() == ["READ v"])
        #expect(busy.client.takeMessages().count < 1000)
    }

    @Test(arguments: [0, 5] as [UInt16])
    func theBacklogIsServedWithoutFurtherInput(domain: UInt16) {
        let busy = house.guest(domain)
        busy.write("y", "w")
        busy.client.send(bytes: (0..<10_000).flatMap { frame(.read, "y\0", number: UInt32($0)) })
        house.host.settle()
        #expect(busy.client.takeMessages().map(\.header.request) == (0..<10_000).map { UInt32($0) })
        #expect(busy.session.state == .ok)
        #expect(busy.session.isReading)
    }

    @Test func laterRequestsWaitForTheBacklog() {
        let busy = house.caller(0)
        busy.client.send(bytes: (0..<1000).flatMap { frame(.read, "/x\0", number: UInt32($0)) })
        _ = house.engine.endTurn(at: house.host.now)
        busy.client.send(bytes: frame(.read, "/x\0", number: 1000))
        house.host.settle()
        #expect(busy.client.takeMessages().map(\.header.request) == (0...1000).map { UInt32($0) })
    }

    // MARK: Ends

    @Test func goingInTheMiddleOfEverythingLeavesNothing() {
        let caller = house.caller(5)
        caller.client.appetite = 3
        caller.send(.watch, "a\0t\0")
        caller.send(.transactionStart, "\0")
        for _ in 0..<500 { caller.send(.read, "/x\0") }
        caller.client.send(bytes: [1, 2, 3])
        caller.client.hangUp()
        house.host.settle()
        #expect("\(house.usage(5))" == "\(Usage())")
        #expect(house.store.history.snapshots.isEmpty)
        #expect(house.engine.kernel.schedule.backlog.isEmpty)
        #expect(house.engine.kernel.sessions.all.count == 1)
        house.expectSound()
    }

    @Test func goingTwiceIsGoingOnce() {
        let (first, second) = (house.caller(0), house.caller(0))
        first.client.hangUp()
        first.client.hangUp()
        #expect(second.read("/x") == .text("v"))
        #expect(house.engine.kernel.sessions.all.count == 2)
    }

    @Test func aHalfClosedClientIsAnsweredAndThenClosed() {
        let caller = house.caller(0)
        for _ in 0..<1000 { caller.send(.read, "/x\0") }
        house.engine.receivedEnd(on: caller.session)
        house.host.settle()
        #expect(caller.takeAll().count == 1000)
        #expect(caller.client.isClosed)
    }

    @Test func aHalfClosedLateReaderIsClosedAfterItsReplies() {
        let caller = house.caller(0)
        caller.client.appetite = 0
        caller.send(.read, "/x\0")
        house.engine.receivedEnd(on: caller.session)
        house.host.settle()
        #expect(!caller.client.isClosed)
        caller.client.resume()
        house.host.settle()
        #expect(caller.takeAll() == ["READ v"])
        #expect(caller.client.isClosed)
    }

    /// A transport finds out in the middle of the kernel's flush that the peer is gone.
    @Test(arguments: FragileLink.Moment.allCases)
    func aLinkMayBreakWhileTheKernelUsesIt(moment: FragileLink.Moment) {
        let link = FragileLink(house.engine, breaksAt: moment)
        let watcher = house.caller(0)
        watcher.listen("/")
        for round in 0..<200 {
            link.receive(frame(.watch, "/x\0\(round)\0") + frame(.write, "/x\0v") + frame(.transactionStart, "\0"))
        }
        if moment == .close { link.receive([UInt8](repeating: 0xff, count: 16)) }
        house.host.settle()
        link.breakOff()
        house.host.settle()
        #expect(house.engine.kernel.sessions.all.count == 2)
        #expect(house.watchCount == 1)
        #expect(dom0.read("/x") == .text("v"))
        house.expectSound()
    }
}

/// A connection that ends at an awkward moment: when the kernel calls.
final class FragileLink: Link {
    enum Moment: CaseIterable { case flush, readingChanged, close, never }

    private let host: any PluginHost
    private let moment: Moment
    private var connection: Connection?

    init(_ host: any PluginHost, breaksAt moment: Moment) {
        self.host = host
        self.moment = moment
        connection = host.connect(self, as: Peer(domain: DomainID(7), isPrivileged: true, transport: "fragile"))
    }

    func receive(_ bytes: [UInt8]) {
        guard let connection else { return }
        bytes.withUnsafeBytes { host.receive($0, on: connection) }
    }

    func breakOff() {
        guard let connection else { return }
        host.disconnect(connection)
        self.connection = nil
    }

    func flush(_ connection: Connection) { if moment == .flush { breakOff() } }
    func readingChanged(_ connection: Connection) { if moment == .readingChanged { breakOff() } }
    func close(_ reason: EndReason) { if moment == .close { breakOff() } }
}
