// SPDX-License-Identifier: Apache-2.0

/// What a transport needs of the one loop that the daemon runs in. The reactor is one; the test kit
/// has another, cranked by hand.
public protocol EventLoop: AnyObject {
    /// Calls `handler` whenever `descriptor` is ready for any of `interest`, level-triggered, until
    /// it is removed. The loop does not own the descriptor, but keeps the handler.
    func add(_ descriptor: Int32, for interest: Readiness, _ handler: any ReadinessHandler)
        throws(SystemError)
    /// Changes what a descriptor that was added is watched for; an empty set only tells of hang-up.
    func change(_ descriptor: Int32, to interest: Readiness)
    /// Forgets a descriptor. No readiness is reported for it after this returns.
    func remove(_ descriptor: Int32)

    /// The time, on the clock that ``wake(_:at:)`` goes by.
    var now: Moment { get }
    /// Calls `handler` once when `moment` has come: soon after it, never before it, and not from within this
    /// call. A handler waits for one moment: another one takes its place, and nil takes it back. The loop keeps
    /// the handler until then.
    func wake(_ handler: any TimerHandler, at moment: Moment?)
}

/// What a descriptor is ready for.
public struct Readiness: OptionSet, Sendable {
    public var rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let readable = Readiness(rawValue: 1)
    public static let writable = Readiness(rawValue: 2)
    /// The peer is gone or the descriptor is broken. Always reported, never asked for.
    public static let hungUp = Readiness(rawValue: 4)
}

/// Something that acts on a ready descriptor.
public protocol ReadinessHandler: AnyObject {
    func ready(_ descriptor: Int32, for readiness: Readiness)
}

/// Something that acts when a moment has come.
public protocol TimerHandler: AnyObject {
    func wake(at now: Moment)
}

/// A moment of the monotonic clock, in nanoseconds. The kernel has no clock: moments come to it.
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
    /// Not at all: there is work left over from this turn.
    case none
    /// Until a descriptor is ready, but to the nanosecond no longer than this: the turn is not over.
    case gathering(until: Moment)
    /// Until a descriptor is ready, but no longer than this.
    case until(Moment)
}
