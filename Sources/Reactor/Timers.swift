// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// The handlers that wait for a moment. One descriptor becomes readable when the first moment has come.
final class Timers: ReadinessHandler {
    let descriptor: Int32
    /// A heap: no entry is due before the entry at half its index. If a handler changes or cancels its timer, the old
    /// entry stays until it is due, or until old entries are the majority.
    private var entries: [Entry] = []
    private var moments: [ObjectIdentifier: Moment] = [:]
    /// The moment at which the descriptor becomes readable.
    private var alarm: Moment?

    private struct Entry {
        let moment: Moment
        let handler: any TimerHandler
        var id: ObjectIdentifier { ObjectIdentifier(handler) }
    }

    /// The largest number of calls in one turn. Further due timers wait for the next turn, so they do not keep clients
    /// waiting.
    private static let callsPerTurn = 128

    init() throws(SystemError) {
        descriptor = timerfd_create(CLOCK_MONOTONIC, linux_tfd_nonblock | linux_tfd_cloexec)
        guard descriptor >= 0 else { throw SystemError(errno, doing: "create a timerfd") }
    }

    deinit { close(descriptor) }

    func set(_ handler: any TimerHandler, at moment: Moment?) {
        let id = ObjectIdentifier(handler)
        guard moments[id] != moment else { return }
        moments[id] = moment
        if let moment { insert(Entry(moment: moment, handler: handler)) }
        if entries.count > 2 * moments.count + 64 { forgetOutdated() }
        setAlarm()
    }

    func ready(_ descriptor: Int32, for readiness: Readiness) {
        var expirations: UInt64 = 0
        read(descriptor, &expirations, 8)
        alarm = nil
        let now = Reactor.now()
        var calls = 0
        while calls < Self.callsPerTurn, let first = entries.first, first.moment <= now {
            removeFirst()
            guard moments[first.id] == first.moment else { continue }
            moments[first.id] = nil
            first.handler.wake(at: now)
            calls += 1
        }
        setAlarm()
    }

    /// Sets the alarm to the first entry. For the system a moment in the past is due at once.
    private func setAlarm() {
        let first = entries.first?.moment
        guard first != alarm else { return }
        alarm = first
        var time = itimerspec()
        if let first {
            let nanoseconds = max(1, first.nanoseconds)
            time.it_value = timespec(
                tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        }
        timerfd_settime(descriptor, linux_tfd_timer_abstime, &time, nil)
    }

    // MARK: The heap

    private func insert(_ entry: Entry) {
        entries.append(entry)
        var at = entries.count - 1
        while at > 0, entry.moment < entries[(at - 1) / 2].moment {
            entries.swapAt(at, (at - 1) / 2)
            at = (at - 1) / 2
        }
    }

    private func removeFirst() {
        entries.swapAt(0, entries.count - 1)
        entries.removeLast()
        var at = 0
        while true {
            var next = 2 * at + 1
            if next + 1 < entries.count, entries[next + 1].moment < entries[next].moment { next += 1 }
            guard next < entries.count, entries[next].moment < entries[at].moment else { return }
            entries.swapAt(at, next)
            at = next
        }
    }

    private func forgetOutdated() {
        // The deinit of a handler may set or cancel another timer. It must not run while the heap changes.
        let all = entries
        withExtendedLifetime(all) {
            entries = []
            for entry in all where moments[entry.id] == entry.moment { insert(entry) }
        }
    }
}
