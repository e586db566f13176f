// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// How long the event loop may sleep after a turn.
public enum Wait: Sendable, Equatable {
    /// Until a descriptor is ready.
    case forever
    /// Not at all: there is work left over from this turn.
    case none
    /// Until a descriptor is ready, but no longer than this.
    case until(Moment)
}

/// How loud a line of the log is.
public enum LogLevel: UInt8, Sendable, Comparable {
    case debug, info, notice, warning, error
    public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}

/// The minimal kernel: takes requests from sessions, answers them, and lets storage have what changed.
public final class Kernel {
    public init(storage: any Storage, policies: [any Policy], log: @escaping (LogLevel, String) -> Void) {}

    /// A client has connected. The kernel keeps `link` until the session ends.
    public func connect(_ link: any Link, as peer: Peer) -> Session { Session(link: link, peer: peer) }
    /// Bytes have come from the peer. They are answered in place or kept; the buffer is free again
    /// when this returns.
    public func receive(_ bytes: UnsafeRawBufferPointer, on session: Session) {}
    /// `count` of the session's unsent bytes have gone out.
    public func sent(_ count: Int, on session: Session) {}
    /// The peer is gone. The transport closes the connection itself; the session must not be used
    /// any more.
    public func disconnect(_ session: Session) {}
    /// Ends a turn: what changed goes to storage, then replies and events are flushed.
    public func endTurn(at now: Moment) -> Wait { .forever }
}
