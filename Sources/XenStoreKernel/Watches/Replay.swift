// SPDX-License-Identifier: Apache-2.0

/// The changes that a transaction makes while it is committed: each path once, in the order in which the transaction
/// first touched it.
final class Replay {
    private let order: Order
    private var paths: [UInt64: (bytes: [UInt8], isExact: Bool)] = [:]
    /// The number of nodes that the replay may still remove. Others may have changed the store: a subtree that was
    /// small in the draft may be large now, and the transaction has not paid for that.
    private var removals: Int
    /// Whether it may remove only a number of nodes.
    let isBounded: Bool

    /// The order in which a transaction has first touched its paths, by their hashes.
    struct Order {
        var touched: [UInt64: Int]
        /// The paths below subtrees that were removed as a whole: each comes after a number of touched paths, at a place
        /// among others of its kind.
        var removed: [UInt64: (position: Int, place: Int)] = [:]

        fileprivate func place(of hash: UInt64) -> (Int, Int) {
            let first = (touched[hash] ?? .max, Int.max)
            guard let (position, place) = removed[hash], (position, place) < first else { return first }
            return (position, place)
        }
    }

    init(order: Order, removals: Int) {
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
        paths.map { (place: order.place(of: $0.key), hash: $0.key) }
            .sorted { ($0.place.0, $0.place.1, $0.hash) < ($1.place.0, $1.place.1, $1.hash) }
            .compactMap { paths[$0.hash] }
    }
}
