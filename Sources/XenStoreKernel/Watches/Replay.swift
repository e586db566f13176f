// SPDX-License-Identifier: Apache-2.0

/// What a transaction changes while it is committed: each path once, in the order in which the
/// transaction first touched it.
final class Replay {
    private let order: [UInt64: Int]
    private var paths: [UInt64: (bytes: [UInt8], isExact: Bool)] = [:]
    /// How many nodes may still be removed. The ground may have moved: what was a small subtree in the draft
    /// may be a large one now, and nobody has paid for that.
    private var removals: Int

    init(order: [UInt64: Int], removals: Int) {
        self.order = order
        self.removals = removals
    }

    func note(_ path: UnsafeRawBufferPointer, hash: UInt64, isExact: Bool) {
        if let known = paths[hash] {
            paths[hash] = (known.bytes, known.isExact && isExact)
        } else {
            paths[hash] = (Array(path), isExact)
        }
    }

    /// One more node is to be removed. False if that is more than the transaction has paid for.
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
