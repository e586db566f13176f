// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The order of things at the end of a turn, which ``Kernel`` goes through.
extension Machine {
    mutating func beginEndOfTurn(at now: Moment) { self.now = now }

    var hasBacklog: Bool { !schedule.backlog.isEmpty }

    /// All was flushed. Says how long the event loop may sleep.
    mutating func finishTurn(storageLoad: Int) -> Wait {
        schedule.storageLoad = storageLoad
        let hasLeftovers = !store.leftovers.isEmpty && store.freeLeftovers()
        var deadline = min(expireReservation(), expireEvents())
        if hasBacklog { deadline = min(deadline, now.advanced(byMilliseconds: Machine.storagePause)) }
        if schedule.isBacklogReady || !touched.isEmpty || hasLeftovers { return .none }
        return deadline.map { .until($0) } ?? .forever
    }

    private func min(_ a: Moment?, _ b: Moment?) -> Moment? {
        guard let a, let b else { return a ?? b }
        return Swift.min(a, b)
    }

    /// How long guests wait before storage is looked at again, in milliseconds.
    private static let storagePause: UInt64 = 2

    /// The next session that may be read from now, or may not any more.
    mutating func nextReadingChange() -> Session? {
        while let session = readingChanges.popLast() {
            if session.isOpen { return session }
        }
        return nil
    }
}
