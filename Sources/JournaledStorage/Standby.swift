// SPDX-License-Identifier: Apache-2.0
/// The changes since a start at which the store could not be written. They stay in memory until it can.
struct Standby {
    private(set) var batches: [Batch] = []
    private var size = 0
    /// The store at the start, which the batches continue. Nil if there was none.
    private(set) var base: (store: UInt64, last: UInt64)?
    private var nextAttempt: UInt64 = 0
    /// Whether there were too many changes. Then the storage does not try any more.
    private(set) var isGivenUp = false

    private static let sizeMax = 64 << 20
    private static let pause: UInt64 = 1_000_000_000

    mutating func follow(_ content: StoreContent) {
        base = content.identity.map { ($0, content.lastSequence) }
    }

    mutating func add(_ batch: Batch) {
        if isGivenUp { return }
        batches.append(batch.copy())
        size += batch.bytes.count
        if size <= Self.sizeMax { return }
        batches = []
        isGivenUp = true
    }

    /// Whether it is time to try again. `now` is in nanoseconds of the monotonic clock.
    mutating func mayTry(at now: UInt64) -> Bool {
        if isGivenUp || now < nextAttempt { return false }
        nextAttempt = now &+ Self.pause
        return true
    }
}
