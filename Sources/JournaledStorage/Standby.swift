// SPDX-License-Identifier: Apache-2.0
/// What has changed since a start at which nothing could be written, in memory until something can.
struct Standby {
    private(set) var batches: [Batch] = []
    private var size = 0
    /// The store that was read at the start: the batches continue it. Nil if there was none.
    private(set) var base: (store: UInt64, last: UInt64)?
    private var nextAttempt: UInt64 = 0
    /// There was too much to be kept, and there is no use in trying any more.
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

    /// Whether it is time to try again to write something, in nanoseconds of the monotonic clock.
    mutating func mayTry(at moment: UInt64) -> Bool {
        if isGivenUp || moment < nextAttempt { return false }
        nextAttempt = moment &+ Self.pause
        return true
    }
}
