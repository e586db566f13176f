// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The connections of one plugin, by the numbers that it knows them by. A number is never used again, so that a plugin
/// that uses an ended connection is found out, and hurts nobody.
struct ConnectionNumbers {
    private struct Slot {
        var connection: Connection?
        var generation: UInt32 = 1
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []

    mutating func add(_ connection: Connection) -> UInt64 {
        let index = free.popLast() ?? UInt32(slots.count)
        if index == slots.count { slots.append(Slot()) }
        slots[Int(index)].connection = connection
        return UInt64(slots[Int(index)].generation) << 32 | UInt64(index)
    }

    @inline(__always)
    subscript(number: UInt64) -> Connection? {
        let index = Int(number & 0xffff_ffff)
        guard index < slots.count, slots[index].generation == UInt32(number >> 32) else { return nil }
        return slots[index].connection
    }

    mutating func remove(_ number: UInt64) {
        guard self[number] != nil else { return }
        let index = number & 0xffff_ffff
        slots[Int(index)].connection = nil
        slots[Int(index)].generation &+= 1
        // The numbers of this slot are used up. It is better to lose it than to use a number again.
        if slots[Int(index)].generation != 0 { free.append(UInt32(index)) }
    }
}
