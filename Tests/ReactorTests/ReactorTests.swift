// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing
import XenStorePlugin

@testable import Reactor

@Suite struct ReactorTests {
    let reactor: Reactor
    init() throws { reactor = try Reactor() }

    @Test func callsTheHandlersOfReadyDescriptors() throws {
        let pair = SocketPair()
        var told: Readiness = []
        try reactor.add(pair.ours, for: [.readable, .writable], Handler { _, readiness in told = readiness })
        try turns(1)
        #expect(told == .writable)
        pair.fill()
        try turns(1)
        #expect(told == [.readable, .writable])
        reactor.change(pair.ours, to: .readable)
        try turns(1)
        #expect(told == .readable)
    }

    @Test func reportsHangUpWithoutInterest() throws {
        let pair = SocketPair()
        var told: [Readiness] = []
        try reactor.add(pair.ours, for: [], Handler { _, readiness in told.append(readiness) })
        pair.fill()
        try turns(1)
        #expect(told.isEmpty)
        pair.closeTheirs()
        try turns(1)
        #expect(told == [.hungUp])
    }

    @Test func aRemovedHandlerIsNotCalled() throws {
        let pair = SocketPair()
        pair.fill()
        var calls = 0
        try reactor.add(
            pair.ours, for: .readable,
            Handler { [reactor] descriptor, _ in
                calls += 1
                reactor.remove(descriptor)
                reactor.remove(descriptor)
            })
        try turns(3)
        #expect(calls == 1)
    }

    /// Two descriptors are ready at once. Whichever is told first closes the other, whose number comes
    /// back at once for a new one that has nothing to read.
    @Test func dropsEventsOfAClosedDescriptorWhoseNumberIsUsedAgain() throws {
        let pairs = [SocketPair(), SocketPair()]
        pairs.forEach { $0.fill() }
        let fresh = SocketPair()
        var first: Int32?
        var staleEvents = 0
        for index in pairs.indices {
            let other = pairs[1 - index]
            let handler = Handler { [reactor] descriptor, _ in
                guard first == nil else { return }
                first = descriptor
                reactor.remove(other.ours)
                dup2(fresh.ours, other.ours)
                try? reactor.add(other.ours, for: .readable, Handler { _, _ in staleEvents += 1 })
            }
            try reactor.add(pairs[index].ours, for: .readable, handler)
        }
        try turns(1)
        #expect(first != nil)
        #expect(staleEvents == 0)
    }

    /// The table must not be in the middle of a change when the last reference to a handler goes.
    @Test func handlersMayRemoveOthersAsTheyGo() throws {
        let kept = SocketPair()
        let going = SocketPair()
        kept.fill()
        var calls = 0
        try reactor.add(kept.ours, for: .readable, Handler { _, _ in calls += 1 })
        var handler: Handler? = Handler()
        handler?.atEnd = { [reactor] in reactor.remove(kept.ours) }
        try reactor.add(going.ours, for: .readable, try #require(handler))
        handler = nil
        reactor.remove(going.ours)
        try turns(2)
        #expect(calls == 0)
    }

    @Test func refusesADescriptorThatCannotBeWatched() throws {
        #expect(throws: SystemError(EBADF, doing: "watch descriptor -1")) {
            try reactor.add(-1, for: .readable, Handler())
        }
        let file = open("/proc/self/exe", O_RDONLY)
        defer { close(file) }
        #expect(throws: SystemError(EPERM, doing: "watch descriptor \(file)")) {
            try reactor.add(file, for: .readable, Handler())
        }
        let pair = SocketPair()
        var calls = 0
        pair.fill()
        try reactor.add(pair.ours, for: .readable, Handler { _, _ in calls += 1 })
        #expect(throws: SystemError(EEXIST, doing: "watch descriptor \(pair.ours)")) {
            try reactor.add(pair.ours, for: .readable, Handler())
        }
        try turns(1)
        #expect(calls == 1, "the handler that was there stays")
    }

    // MARK: Time

    @Test func wakesAtTheGivenMomentAndNotBefore() throws {
        let begin = Reactor.now()
        let moment = begin.advanced(byMilliseconds: 5)
        var turns: [Moment] = []
        try reactor.run { now in
            turns.append(now)
            if turns.count == 2 { reactor.stop() }
            return .until(moment)
        }
        #expect(turns.count == 2)
        #expect(turns[0] < moment)
        #expect(turns[1] >= moment)
    }

    @Test func doesNotSleepWhenTheMomentIsPastOrWorkIsLeft() throws {
        var count = 0
        try reactor.run { _ in
            count += 1
            if count == 4 { reactor.stop() }
            return count.isMultiple(of: 2) ? .none : .until(.start)
        }
        #expect(count == 4)
    }

    @Test func aGatheringTurnSleepsUntilItsMomentAndEnds() throws {
        var turns: [Moment] = []
        try reactor.run { now in
            turns.append(now)
            if turns.count == 1 { reactor.stop() }
            return turns.count < 3 ? .gathering(until: Moment(nanoseconds: turns[0].nanoseconds + 300_000)) : .forever
        }
        #expect(turns.count == 3)
        #expect(turns[1].nanoseconds >= turns[0].nanoseconds + 300_000)
    }

    @Test func aGatheringTurnWakesForAReadyDescriptor() throws {
        let pair = SocketPair()
        pair.fill()
        var calls = 0
        try reactor.add(pair.ours, for: .readable, Handler { _, _ in calls += 1 })
        let begin = Reactor.now()
        try reactor.run { now in
            if calls > 0 { reactor.stop() }
            return calls > 0 ? .forever : .gathering(until: begin.advanced(byMilliseconds: 60_000))
        }
        #expect(calls == 1)
    }

    @Test func runsAgainAfterAStop() throws {
        try turns(1)
        try turns(1)
    }

    // MARK: Signals

    @Test func handsSignalsToTheLoop() throws {
        var seen: [Int32] = []
        try reactor.onSignals([SIGUSR1, SIGUSR2]) { [reactor] signal in
            seen.append(signal)
            if seen.count == 2 { reactor.stop() }
        }
        raise(SIGUSR1)
        raise(SIGUSR2)
        #expect(seen.isEmpty)
        try reactor.run { _ in .forever }
        #expect(seen.sorted() == [SIGUSR1, SIGUSR2])
    }

    /// Runs until `count` batches of events were handled, each without sleeping.
    private func turns(_ count: Int) throws {
        var left = count
        try reactor.run { _ in
            if left == 0 { reactor.stop() }
            left -= 1
            return .none
        }
    }
}

private final class Handler: ReadinessHandler {
    private let body: (Int32, Readiness) -> Void
    var atEnd: () -> Void = {}
    init(_ body: @escaping (Int32, Readiness) -> Void = { _, _ in }) { self.body = body }
    deinit { atEnd() }
    func ready(_ descriptor: Int32, for readiness: Readiness) { body(descriptor, readiness) }
}

private final class SocketPair {
    let ours: Int32
    private var theirs: Int32
    init() {
        var ends: [Int32] = [-1, -1]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
        (ours, theirs) = (ends[0], ends[1])
    }
    deinit {
        close(ours)
        closeTheirs()
    }
    func fill() { _ = write(theirs, "x", 1) }
    func closeTheirs() {
        if theirs >= 0 { close(theirs) }
        theirs = -1
    }
}
