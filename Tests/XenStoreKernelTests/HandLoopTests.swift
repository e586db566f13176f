// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreTestKit

/// The test kit's event loop does what the reactor does, when the test says so.
@Suite struct HandLoopTests {
    private final class Waker: TimerHandler, ReadinessHandler {
        var moments: [Moment] = []
        var readiness: [Readiness] = []
        var onWake: (Moment) -> Void = { _ in }

        func wake(at now: Moment) {
            moments.append(now)
            onWake(now)
        }
        func ready(_ descriptor: Int32, for readiness: Readiness) { self.readiness.append(readiness) }
    }

    private let waker = Waker()

    @Test func timePassesByHand() {
        let loop = HandLoop()
        loop.wake(waker, at: loop.now.advanced(byMilliseconds: 30))
        loop.advance(milliseconds: 29)
        #expect(waker.moments.isEmpty)
        loop.advance(milliseconds: 1)
        #expect(waker.moments == [loop.now])
        loop.advance(milliseconds: 1000)
        #expect(waker.moments.count == 1, "once")
    }

    @Test func eachIsCalledAtItsMoment() {
        let loop = HandLoop(at: .start)
        var order: [Int] = []
        let others = (0..<3).map { number in
            let other = Waker()
            other.onWake = { _ in order.append(number) }
            return other
        }
        for (other, milliseconds) in zip(others, [20, 10, 20] as [UInt64]) {
            loop.wake(other, at: loop.now.advanced(byMilliseconds: milliseconds))
        }
        #expect(loop.nextWake == Moment.start.advanced(byMilliseconds: 10))
        loop.advance(milliseconds: 25)
        #expect(order == [1, 0, 2])
        #expect(others[1].moments == [Moment.start.advanced(byMilliseconds: 10)])
        #expect(loop.now == Moment.start.advanced(byMilliseconds: 25))
        #expect(loop.nextWake == nil)
    }

    @Test func anotherMomentTakesThePlaceOfTheFirst() {
        let loop = HandLoop()
        loop.wake(waker, at: loop.now.advanced(byMilliseconds: 10))
        loop.wake(waker, at: loop.now.advanced(byMilliseconds: 20))
        loop.advance(milliseconds: 15)
        #expect(waker.moments.isEmpty)
        loop.wake(waker, at: nil)
        loop.advance(milliseconds: 15)
        #expect(waker.moments.isEmpty)
    }

    /// One that is always due would keep the test for ever.
    @Test func aHandlerThatComesBackAtOnceWaitsForTheNextStep() {
        let loop = HandLoop()
        waker.onWake = { [unowned waker] now in loop.wake(waker, at: now) }
        loop.wake(waker, at: loop.now)
        #expect(waker.moments.isEmpty, "not from within the call")
        loop.advance(milliseconds: 0)
        #expect(waker.moments.count == 1)
        loop.advance(milliseconds: 5)
        #expect(waker.moments.count == 2)
        waker.onWake = { [unowned waker] now in loop.wake(waker, at: now.advanced(byMilliseconds: 2)) }
        loop.advance(milliseconds: 5)
        #expect(waker.moments.count == 5, "now, and 2 and 4 milliseconds later")
        loop.wake(waker, at: nil)
    }

    @Test func aDescriptorIsReadyForWhatItIsWatchedFor() throws {
        let loop = HandLoop()
        try loop.add(7, for: .readable, waker)
        #expect(loop.watched == [7: .readable])
        #expect(loop.makeReady(7, for: [.readable, .writable]))
        #expect(!loop.makeReady(7, for: .writable))
        #expect(!loop.makeReady(8, for: .readable))
        loop.change(7, to: [])
        #expect(!loop.makeReady(7, for: .readable))
        #expect(loop.makeReady(7, for: .hungUp))
        #expect(waker.readiness == [.readable, .hungUp])
        #expect(throws: SystemError.self) { try loop.add(7, for: .readable, waker) }
        loop.remove(7)
        #expect(!loop.makeReady(7, for: .hungUp))
    }
}
