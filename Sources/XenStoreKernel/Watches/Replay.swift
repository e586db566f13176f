// SPDX-License-Identifier: Apache-2.0

/// The changes that a transaction makes while it is committed: each path once, in the order in which the transaction
/// first touched it.
final class Replay {
    private let order: [UInt64: Int]
    private var paths: [UInt64: (bytes: [UInt8], isExact: Bool)] = [:]
    /// The number of nodes that the replay may still remove. Others may have changed the store: a subtree that was
    /// small in the draft may be large now, and the transaction has not paid for that.
    private var removals: Int
    /// Whether it may remove only a number of nodes.
    let isBounded: Bool

    init(order: [UInt64: Int], removals: Int) {
        self.order = order
        self.removals = removals
        isBounded = removals != .max
    }

    func add(_ path: UnsafeRawBufferPointer, hash: UInt64, isExact: Bool) {
        if let known = paths[hash] {
            paths[hash] = (known.bytes, known.isExact && isExact)
        } else {
            paths[hash] = (Array(path), isExact)
        }
    }

    /// Counts one more node to remove. Returns false if the transaction has not paid for that many.
    func spendRemoval() -> Bool {
        removals -= 1
        return removals >= 0
    }

    /// The changed paths in the order of their events.
    var ordered: [(bytes: [UInt8], isExact: Bool)] {
        paths.sorted { (order[$0.key] ?? .max, $0.key) < (order[$1.key] ?? .max, $1.key) }
            .map(\.value)
    }
}
