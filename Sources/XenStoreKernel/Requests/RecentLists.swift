// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The last answers with many names of children. To walk over a thousand children takes longer than all the rest of a
/// request, and who lists a directory often asks for the same one.
///
/// An answer holds for one state of one list in the store. Each change of a list gives its node a generation that no
/// state in the store ever had. The generations of a transaction's draft come again, so drafts have no part in this.
final class RecentLists {
    /// Which answer it is.
    struct Key: Equatable {
        let node: NodeID
        let generation: UInt64
        /// Where the part of DIRECTORY_PART begins. Nil for DIRECTORY.
        let offset: Int?
    }

    private var keys = [Key?](repeating: nil, count: slotCount)
    private var counts = [Int](repeating: 0, count: slotCount)
    private let bytes = UnsafeMutableRawBufferPointer.allocate(
        byteCount: slotCount * Limits.payloadMax, alignment: 16)

    /// 256 kB, which a list of 40,000 names needs.
    private static let slotCount = 64
    /// A part is at least as long as this, if more names follow: the names of the next part come into another slot.
    private static let partMin = Limits.payloadMax - 280

    /// Names of fewer bytes are sooner walked over than kept.
    static let worthKeeping = 256

    deinit { bytes.deallocate() }

    /// The answer, if it is one of the last. It is valid until the next one is kept.
    func find(_ key: Key) -> UnsafeRawBufferPointer? {
        let slot = slot(of: key)
        return keys[slot] == key ? UnsafeRawBufferPointer(rebasing: place(slot)[..<counts[slot]]) : nil
    }

    /// Keeps an answer in place of another.
    func keep(_ answer: UnsafeRawBufferPointer, as key: Key) {
        if answer.count > Limits.payloadMax { return }
        let slot = slot(of: key)
        place(slot).copyMemory(from: answer)
        keys[slot] = key
        counts[slot] = answer.count
    }

    private func slot(of key: Key) -> Int {
        let part = key.offset.map { $0 / Self.partMin } ?? -1
        return Int(key.node.number &* 7 &+ UInt32(truncatingIfNeeded: part)) % Self.slotCount
    }

    private func place(_ slot: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: bytes[(slot * Limits.payloadMax)..<((slot + 1) * Limits.payloadMax)])
    }
}
