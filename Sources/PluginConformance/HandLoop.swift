// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// An event loop that a test cranks by hand: descriptors are ready and time passes only when the test says so.
///
/// So a test of a transport needs no sleep and no patience, and what it shows is the same on a busy machine.
///
///     let loop = HandLoop()
///     loop.wake(waker, at: loop.now.advanced(byMilliseconds: 30))
///     loop.advance(milliseconds: 29)
///     #expect(waker.moments.isEmpty)
///     loop.advance(milliseconds: 1)
///     #expect(waker.moments == [loop.now])
///
/// The descriptors may be real ones, such as a socket of the transport. Then ``makeReady(_:for:)`` is for what the
/// system would report, and ``poll(milliseconds:)`` asks the system.
public final class HandLoop: EventLoop {
    public private(set) var now: Moment
    private var watches: [Int32: Watch] = [:]
    private var timers: [ObjectIdentifier: Timer] = [:]
    /// Timers that were set so far; the later one of two for the same moment comes second.
    private var timersSet = 0

    private struct Watch {
        var interest: Readiness
        let handler: any ReadinessHandler
    }

    private struct Timer {
        let moment: Moment
        let handler: any TimerHandler
        let number: Int
        /// The moment had come when the timer was set. It is called by the next step of time, not by the present one.
        let isLate: Bool

        static func isEarlier(_ a: Timer, _ b: Timer) -> Bool { (a.moment, a.number) < (b.moment, b.number) }
    }

    /// A loop that watches nothing.
    public init(at now: Moment = Moment(nanoseconds: 1)) { self.now = now }

    // MARK: What plugins call

    public func add(_ descriptor: Int32, for interest: Readiness, _ handler: any ReadinessHandler)
        throws(SystemError)
    {
        guard watches[descriptor] == nil else { throw SystemError(EEXIST, doing: "watch descriptor \(descriptor)") }
        watches[descriptor] = Watch(interest: interest, handler: handler)
    }

    public func change(_ descriptor: Int32, to interest: Readiness) { watches[descriptor]?.interest = interest }

    public func remove(_ descriptor: Int32) { watches[descriptor] = nil }

    public func wake(_ handler: any TimerHandler, at moment: Moment?) {
        timersSet += 1
        timers[ObjectIdentifier(handler)] = moment.map {
            Timer(moment: $0, handler: handler, number: timersSet, isLate: $0 <= now)
        }
    }

    // MARK: What a test sees and does

    /// What is watched, and for what.
    public var watched: [Int32: Readiness] { watches.mapValues(\.interest) }

    /// The first moment at which the loop calls a handler; nil if no handler waits for one.
    public var nextWake: Moment? { timers.values.map(\.moment).min() }

    /// A descriptor is ready: calls its handler if that waits for it. `hungUp` is told in any case. Returns whether the
    /// handler was called.
    @discardableResult
    public func makeReady(_ descriptor: Int32, for readiness: Readiness) -> Bool {
        guard let watch = watches[descriptor] else { return false }
        let told = readiness.intersection(watch.interest.union(.hungUp))
        if told.isEmpty { return false }
        watch.handler.ready(descriptor, for: told)
        return true
    }

    /// Asks the system once which descriptors are ready, waits for one as long as given, and calls their handlers.
    /// Returns how many were ready. The loop's own time does not pass.
    public func poll(milliseconds: Int32) -> Int {
        var wanted = watches.sorted { $0.key < $1.key }.map { descriptor, watch in
            pollfd(fd: descriptor, events: watch.interest.events, revents: 0)
        }
        guard Glibc.poll(&wanted, nfds_t(wanted.count), milliseconds) > 0 else { return 0 }
        let ready = wanted.filter { $0.revents != 0 }
        for one in ready { makeReady(one.fd, for: Readiness(events: one.revents)) }
        return ready.count
    }

    /// Time passes: calls each handler whose moment comes, in the order of the moments, and each at its moment.
    public func advance(milliseconds: UInt64) { advance(to: now.advanced(byMilliseconds: milliseconds)) }

    /// Time passes until `end`. A timer that a handler sets is called, too, if its moment comes.
    public func advance(to end: Moment) {
        let known = timersSet
        while let timer = timers.values.filter({ isDue($0, known, end) }).min(by: Timer.isEarlier) {
            timers[ObjectIdentifier(timer.handler)] = nil
            now = max(now, timer.moment)
            timer.handler.wake(at: now)
        }
        now = max(now, end)
    }

    /// `known`: the timers that were set before this step of time.
    private func isDue(_ timer: Timer, _ known: Int, _ end: Moment) -> Bool {
        timer.moment <= end && (timer.number <= known || !timer.isLate)
    }
}

extension Readiness {
    fileprivate init(events: Int16) {
        self = []
        if events & Int16(POLLIN) != 0 { insert(.readable) }
        if events & Int16(POLLOUT) != 0 { insert(.writable) }
        if events & Int16(POLLHUP | POLLERR | POLLNVAL) != 0 { insert(.hungUp) }
    }

    fileprivate var events: Int16 {
        (contains(.readable) ? Int16(POLLIN) : 0) | (contains(.writable) ? Int16(POLLOUT) : 0)
    }
}
