// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// The event loop of the daemon: level-triggered epoll, on one thread.
///
/// Every request runs through it. A turn is one `epoll_wait`, one call for each ready descriptor, and one look at the
/// clock. It allocates nothing, and idle descriptors cost nothing. All timers share one descriptor, so a turn without a
/// due timer does nothing for them.
public final class Reactor: EventLoop {
    /// The watched descriptors, by number. The system hands out the lowest free number, so the table is dense.
    private var watched: [Watched] = []
    private let epoll: Int32
    private let events: UnsafeMutableBufferPointer<epoll_event>
    private let timers: Timers
    private var isStopping = false

    private struct Watched {
        var handler: (any ReadinessHandler)?
        /// Tells this use of the descriptor's number from earlier uses. Their events may still be in the batch that the
        /// loop handles now.
        var serial: UInt32 = 0
    }

    /// The largest number of ready descriptors in one turn. Further ones wait for the next turn.
    private static let eventsPerTurn = 256

    /// Makes a loop that watches nothing yet.
    public init() throws(SystemError) {
        timers = try Timers()
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw SystemError(errno, doing: "create an epoll instance") }
        events = .allocate(capacity: Self.eventsPerTurn)
        events.initialize(repeating: epoll_event())
        try add(timers.descriptor, for: .readable, timers)
    }

    deinit {
        close(epoll)
        events.deallocate()
    }

    // MARK: EventLoop

    public func add(_ descriptor: Int32, for interest: Readiness, _ handler: any ReadinessHandler)
        throws(SystemError)
    {
        guard descriptor >= 0 else { throw SystemError(EBADF, doing: "watch descriptor \(descriptor)") }
        let index = Int(descriptor)
        if index >= watched.count {
            watched.append(contentsOf: repeatElement(Watched(), count: index + 1 - watched.count))
        }
        let serial = watched[index].serial &+ 1
        guard control(EPOLL_CTL_ADD, descriptor, interest, serial) == 0 else {
            throw SystemError(errno, doing: "watch descriptor \(descriptor)")
        }
        watched[index] = Watched(handler: handler, serial: serial)
    }

    public func change(_ descriptor: Int32, to interest: Readiness) {
        guard isWatched(descriptor) else { return }
        _ = control(EPOLL_CTL_MOD, descriptor, interest, watched[Int(descriptor)].serial)
    }

    public func remove(_ descriptor: Int32) {
        guard isWatched(descriptor) else { return }
        _ = control(EPOLL_CTL_DEL, descriptor, [], 0)
        // The table may hold the last reference to the handler. Its deinit may remove another descriptor, so it must
        // not run while the table changes.
        let handler = watched[Int(descriptor)].handler
        withExtendedLifetime(handler) { watched[Int(descriptor)].handler = nil }
    }

    public var now: Moment { Self.now() }

    public func wake(_ handler: any TimerHandler, at moment: Moment?) { timers.set(handler, at: moment) }

    private func isWatched(_ descriptor: Int32) -> Bool {
        watched.indices.contains(Int(descriptor)) && watched[Int(descriptor)].handler != nil
    }

    private func control(_ operation: Int32, _ descriptor: Int32, _ interest: Readiness, _ serial: UInt32) -> Int32 {
        var event = epoll_event()
        event.events = interest.epollEvents
        event.data.u64 = UInt64(serial) << 32 | UInt64(UInt32(bitPattern: descriptor))
        return epoll_ctl(epoll, operation, descriptor, &event)
    }

    // MARK: Running

    /// Runs until ``stop()``. Calls `turn` with the time: once before the first batch of ready descriptors, and after
    /// each batch. `turn` says how long the loop may sleep.
    public func run(turn: (Moment) -> Wait) throws(SystemError) {
        isStopping = false
        var now = Self.now()
        var wait = turn(now)
        while !isStopping || wait.isGathering {
            if case .gathering(let end) = wait, end > now { awaitAny(nanoseconds: end.nanoseconds - now.nanoseconds) }
            dispatch(try ready(within: wait.milliseconds(from: now)))
            now = Self.now()
            wait = turn(now)
        }
    }

    /// Makes ``run(turn:)`` return at the end of the current turn. If the kernel gathers more requests for that turn,
    /// it ends after that.
    public func stop() { isStopping = true }

    /// The monotonic clock.
    public static func now() -> Moment {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Moment(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
    }

    /// Sleeps for less than a second, or until a descriptor is ready. A busy loop would take the processor from the
    /// very clients that the daemon waits for.
    private func awaitAny(nanoseconds: UInt64) {
        var descriptor = pollfd(fd: epoll, events: Int16(POLLIN), revents: 0)
        var time = timespec(tv_sec: 0, tv_nsec: Int(min(nanoseconds, 999_999_999)))
        ppoll(&descriptor, 1, &time, nil)
    }

    private func ready(within milliseconds: Int32) throws(SystemError) -> Int {
        let count = linux_epoll_wait(epoll, events.baseAddress, Int32(Self.eventsPerTurn), milliseconds)
        if count >= 0 { return Int(count) }
        if errno == EINTR { return 0 }
        throw SystemError(errno, doing: "wait for events")
    }

    private func dispatch(_ count: Int) {
        for index in 0..<count {
            let key = events[index].data.u64
            let descriptor = Int32(truncatingIfNeeded: key)
            let entry = watched[Int(descriptor)]
            guard entry.serial == UInt32(truncatingIfNeeded: key >> 32) else { continue }
            entry.handler?.ready(descriptor, for: Readiness(epollEvents: events[index].events))
        }
    }
}

extension Wait {
    fileprivate var isGathering: Bool {
        if case .gathering = self { true } else { false }
    }

    /// The timeout for epoll_wait, rounded up. A loop that wakes before the timer is due would spin.
    fileprivate func milliseconds(from now: Moment) -> Int32 {
        switch self {
        case .forever: return -1
        case .none, .gathering: return 0
        case .until(let moment):
            guard moment > now else { return 0 }
            let nanoseconds = moment.nanoseconds - now.nanoseconds
            return Int32(clamping: (nanoseconds - 1) / 1_000_000 + 1)
        }
    }
}

extension Readiness {
    fileprivate var epollEvents: UInt32 {
        (contains(.readable) ? EPOLLIN.rawValue : 0) | (contains(.writable) ? EPOLLOUT.rawValue : 0)
    }

    fileprivate init(epollEvents events: UInt32) {
        self = []
        if events & EPOLLIN.rawValue != 0 { insert(.readable) }
        if events & EPOLLOUT.rawValue != 0 { insert(.writable) }
        if events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 { insert(.hungUp) }
    }
}
