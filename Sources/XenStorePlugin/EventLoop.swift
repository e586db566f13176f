// SPDX-License-Identifier: Apache-2.0

/// The event loop of the daemon, as a transport uses it.
public protocol EventLoop: AnyObject {
    /// Calls `handler` whenever `descriptor` is ready for any of `interest`, level-triggered, until the descriptor is
    /// removed. The loop keeps the handler. It does not own the descriptor.
    func add(_ descriptor: Int32, for interest: Readiness, _ handler: any ReadinessHandler)
        throws(SystemError)
    /// Changes the events for which the loop watches a descriptor. With an empty set it reports only a hang-up.
    func change(_ descriptor: Int32, to interest: Readiness)
    /// Forgets a descriptor. After this returns, the loop does not call its handler.
    func remove(_ descriptor: Int32)

    /// The time on the clock of ``wake(_:at:)``.
    var now: Moment { get }
    /// Calls `handler` once, soon after `moment` and never before it. Does not call it before this returns. A handler
    /// waits for one moment: a new moment replaces it, and nil cancels it. The loop keeps the handler until then.
    func wake(_ handler: any TimerHandler, at moment: Moment?)
}

/// The events for which a descriptor is ready.
public struct Readiness: OptionSet, Sendable {
    public var rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let readable = Readiness(rawValue: 1)
    public static let writable = Readiness(rawValue: 2)
    /// The peer is gone, or the descriptor is broken. The loop always reports this.
    public static let hungUp = Readiness(rawValue: 4)
}

/// An object that acts on a ready descriptor.
public protocol ReadinessHandler: AnyObject {
    func ready(_ descriptor: Int32, for readiness: Readiness)
}

/// An object that acts when a moment has come.
public protocol TimerHandler: AnyObject {
    func wake(at now: Moment)
}

/// A moment of the monotonic clock, in nanoseconds. The kernel has no clock of its own: it gets the time with each
/// turn.
public struct Moment: Comparable, Hashable, Sendable {
    public var nanoseconds: UInt64
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
    public static let start = Moment(nanoseconds: 0)

    public static func < (a: Moment, b: Moment) -> Bool { a.nanoseconds < b.nanoseconds }
    public func advanced(byMilliseconds milliseconds: UInt64) -> Moment {
        Moment(nanoseconds: nanoseconds &+ milliseconds &* 1_000_000)
    }
}

/// How long the event loop may sleep after a turn.
public enum Wait: Sendable, Equatable {
    /// Until a descriptor is ready.
    case forever
    /// Not at all, since this turn has left work.
    case none
    /// Until a descriptor is ready, but never longer than this, to the nanosecond. The turn goes on.
    case gathering(until: Moment)
    /// Until a descriptor is ready, but no longer than this.
    case until(Moment)
}
