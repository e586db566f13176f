// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin

@testable import Reactor

/// Being called when a moment has come.
@Suite struct TimerTests {
    let reactor: Reactor

    init() throws { reactor = try Reactor() }

    @Test func callsOnceAndNotBeforeTheMoment() throws {
        var calls: [Moment] = []
        let timer = Timer { calls.append($0) }
        let moment = reactor.now.advanced(byMilliseconds: 5)
        reactor.wake(timer, at: moment)
        try runUntil(reactor.now.advanced(byMilliseconds: 20))
        #expect(calls.count == 1)
        #expect(calls.allSatisfy { $0 >= moment })
    }

    /// The moments come in order, whatever the order that they were set in; also those that are past.
    @Test func callsInOrder() throws {
        let start = reactor.now
        var called: [UInt64] = []
        let moments = (0..<500).map { _ in
            Moment(nanoseconds: start.nanoseconds - 5_000_000 + .random(in: 0..<10_000_000))
        }
        for moment in moments { reactor.wake(Timer { _ in called.append(moment.nanoseconds) }, at: moment) }
        try runUntil { called.count == 500 }
        #expect(called == moments.map(\.nanoseconds).sorted())
    }

    @Test func aSecondMomentReplacesTheFirst() throws {
        var calls = 0
        let timer = Timer { _ in calls += 1 }
        let start = reactor.now
        for milliseconds: UInt64 in [1, 3, 2] { reactor.wake(timer, at: start.advanced(byMilliseconds: milliseconds)) }
        try runUntil(start.advanced(byMilliseconds: 10))
        #expect(calls == 1)
    }

    @Test func aCancelledTimerIsNotCalled() throws {
        let timer = Timer { _ in Issue.record("it was taken back") }
        let start = reactor.now
        reactor.wake(timer, at: start.advanced(byMilliseconds: 1))
        reactor.wake(timer, at: nil)
        reactor.wake(timer, at: nil)
        try runUntil(start.advanced(byMilliseconds: 5))
    }

    @Test func aHandlerMaySetItselfAgainAndCancelOthers() throws {
        var calls = 0
        let other = Timer { _ in Issue.record("it was taken back") }
        let timer = Timer()
        timer.body = { [reactor] now in
            calls += 1
            reactor.wake(other, at: nil)
            if calls < 3 { reactor.wake(timer, at: now) }
        }
        let start = reactor.now
        reactor.wake(timer, at: start)
        reactor.wake(other, at: start)
        try runUntil { calls == 3 }
        try runUntil(reactor.now.advanced(byMilliseconds: 2))
        timer.body = { _ in }
    }

    /// Many that are due share the turns with descriptors.
    @Test func manyDueTimersTakeSeveralTurns() throws {
        var calls = 0
        let start = reactor.now
        for _ in 0..<1000 { reactor.wake(Timer { _ in calls += 1 }, at: start) }
        var most = 0
        var before = 0
        try runUntil {
            most = max(most, calls - before)
            before = calls
            return calls == 1000
        }
        #expect(most <= 128)
    }

    /// A handler that changes its mind all the time is kept once.
    @Test func replacedTimersAreNotKept() throws {
        var released = 0
        let far = reactor.now.advanced(byMilliseconds: 1_000_000)
        for step: UInt64 in 0..<1000 {
            let timer = Timer()
            timer.atEnd = { released += 1 }
            for change: UInt64 in 0..<10 { reactor.wake(timer, at: far.advanced(byMilliseconds: step &+ change)) }
            reactor.wake(timer, at: nil)
        }
        #expect(released > 900)
    }

    @Test func keepsTheHandlerUntilItsMoment() throws {
        var released = 0
        var calls = 0
        do {
            let timer = Timer { _ in calls += 1 }
            timer.atEnd = { released += 1 }
            reactor.wake(timer, at: reactor.now.advanced(byMilliseconds: 2))
        }
        #expect(released == 0)
        try runUntil { calls == 1 }
        #expect(released == 1)
    }

    /// Runs until something is so; what never comes to be so is an issue of the test.
    private func runUntil(_ isSo: () -> Bool) throws {
        let deadline = Reactor.now().advanced(byMilliseconds: 10_000)
        try reactor.run { [reactor] now in
            if isSo() || now >= deadline { reactor.stop() }
            return .until(deadline)
        }
        #expect(isSo())
    }

    private func runUntil(_ moment: Moment) throws {
        try reactor.run { [reactor] now in
            if now >= moment { reactor.stop() }
            return .until(moment)
        }
    }
}

private final class Timer: TimerHandler {
    var body: (Moment) -> Void
    var atEnd: () -> Void = {}
    init(_ body: @escaping (Moment) -> Void = { _ in }) { self.body = body }
    deinit { atEnd() }
    func wake(at now: Moment) { body(now) }
}
