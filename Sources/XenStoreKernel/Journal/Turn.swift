// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The record of a turn since its first change, for a storage that can fail: enough to undo the turn and to answer its
/// requests again.
///
/// One object serves many turns in sequence, so that a turn allocates nothing.
final class Turn {
    /// The generation of the store before the first change.
    private(set) var snapshot: UInt64 = 0
    private(set) var entries: [TurnEntry] = []
    /// The domains that have died in the turn.
    private(set) var dead: [DeadDomain] = []
    /// The payloads of the entries, in sequence, and the number of their bytes.
    private var payloads = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var payloadsEnd = 0

    /// The number of entries, and of their bytes, for which a turn keeps room for the next one.
    private static let keptMax = (entries: 256, bytes: 64 * 1024)

    func begin(snapshot: UInt64) { self.snapshot = snapshot }

    deinit { payloads.deallocate() }

    func clear() {
        // One entry is usual, and this is much cheaper.
        if entries.count == 1 {
            entries.removeLast()
        } else {
            entries.removeAll(keepingCapacity: entries.capacity <= Turn.keptMax.entries)
        }
        if payloads.count > Turn.keptMax.bytes { resizePayloads(to: 0) }
        payloadsEnd = 0
        if !dead.isEmpty { dead = [] }
    }

    private func resizePayloads(to count: Int) {
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
        larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: payloads[..<min(count, payloadsEnd)]))
        payloads.deallocate()
        payloads = larger
    }

    /// Adds a request that was handled, of any kind: if the kernel undoes the turn, it undoes the reply as well. The
    /// reply begins at `start` in the stream to its session.
    func add(
        _ header: Header, _ payload: UnsafeRawBufferPointer, of session: Session, start: UInt64, generation: UInt64?
    ) {
        let end = payloadsEnd + payload.count
        if end > payloads.count { resizePayloads(to: max(2 * end, 4096)) }
        UnsafeMutableRawBufferPointer(rebasing: payloads[payloadsEnd...]).copyMemory(from: payload)
        entries.append(
            TurnEntry(
                session: session, header: header, payload: payloadsEnd..<end, start: start,
                end: session.position.made, generation: generation))
        payloadsEnd = end
    }

    func add(_ domain: DeadDomain) { dead.append(domain) }

    func withPayload<Result>(of entry: TurnEntry, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        body(UnsafeRawBufferPointer(rebasing: payloads[entry.payload]))
    }
}

/// A domain that has died in a turn.
struct DeadDomain {
    let id: DomainID
    /// Whether clients must still learn that it has died.
    let mustTell: Bool
}

/// A request to which a turn has replied.
struct TurnEntry {
    let session: Session
    let header: Header
    /// The place of its payload among the payloads of the turn.
    fileprivate let payload: Range<Int>
    /// The place in the stream to its session where the reply begins.
    let start: UInt64
    /// The place where the reply ends, and the events after it that the request has caused in the same stream.
    let end: UInt64
    /// The generation that the request's transaction shows, if it has one. Kept here because the transaction may end
    /// with the request.
    let generation: UInt64?
}

/// A turn that has ended, while storage decides whether it can keep the changes.
package struct ClosedTurn {
    let turn: Turn?
    /// The notes of streams in its batch.
    let streams: StreamNotes
}
