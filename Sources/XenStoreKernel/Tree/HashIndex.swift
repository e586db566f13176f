// SPDX-License-Identifier: Apache-2.0

/// Finds record numbers by hash: open addressing, eight bytes a slot. The caller keeps the records, and decides which
/// one is meant, as several records may share a hash.
///
/// The capacity grows and shrinks with the content, so that a store that was large once does not stay large.
struct HashIndex: ~Copyable {
    private struct Slot {
        var hash: UInt32
        /// 0 in a free slot.
        var record: UInt32
    }

    private var slots: UnsafeMutablePointer<Slot>
    private var mask: Int
    private(set) var count = 0

    private static let capacityMin = 64

    init() {
        slots = HashIndex.emptySlots(HashIndex.capacityMin)
        mask = HashIndex.capacityMin - 1
    }

    deinit { slots.deallocate() }

    private static func emptySlots(_ capacity: Int) -> UnsafeMutablePointer<Slot> {
        let slots = UnsafeMutablePointer<Slot>.allocate(capacity: capacity)
        slots.initialize(repeating: Slot(hash: 0, record: 0), count: capacity)
        return slots
    }

    /// The first record under `hash` that `isMeant` accepts, 0 if there is none.
    @inline(__always)
    func find(_ hash: UInt32, where isMeant: (UInt32) -> Bool) -> UInt32 {
        var at = Int(hash) & mask
        while true {
            let slot = slots[at]
            if slot.record == 0 { return 0 }
            if slot.hash == hash, isMeant(slot.record) { return slot.record }
            at = (at &+ 1) & mask
        }
    }

    mutating func insert(_ record: UInt32, hash: UInt32) {
        // At most three quarters are full, so that probes stay short.
        if count &+ 1 > (mask &+ 1) / 4 * 3 { resize(to: (mask &+ 1) * 2) }
        place(Slot(hash: hash, record: record))
        count += 1
    }

    private mutating func place(_ slot: Slot) {
        var at = Int(slot.hash) & mask
        while slots[at].record != 0 { at = (at &+ 1) & mask }
        slots[at] = slot
    }

    /// Removes `record`, which must be in the index under `hash`.
    mutating func remove(_ record: UInt32, hash: UInt32) {
        var hole = Int(hash) & mask
        while slots[hole].record != record {
            precondition(slots[hole].record != 0, "the record is not in the index")
            hole = (hole &+ 1) & mask
        }
        // Close the gap: records that were pushed past the hole move back into it.
        var at = (hole &+ 1) & mask
        while slots[at].record != 0 {
            let home = Int(slots[at].hash) & mask
            if (at &- home) & mask >= (at &- hole) & mask {
                slots[hole] = slots[at]
                hole = at
            }
            at = (at &+ 1) & mask
        }
        slots[hole].record = 0
        count -= 1
        let capacity = mask &+ 1
        // Late and by much: others wait while this looks at all slots.
        if capacity > HashIndex.capacityMin, count < capacity / 32 {
            resize(to: max(HashIndex.capacityMin, capacity / 8))
        }
    }

    private mutating func resize(to capacity: Int) {
        let old = slots
        let oldCapacity = mask &+ 1
        slots = HashIndex.emptySlots(capacity)
        mask = capacity &- 1
        for at in 0..<oldCapacity where old[at].record != 0 { place(old[at]) }
        old.deallocate()
    }
}
