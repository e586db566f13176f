// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What a turn has done since its first change, for a storage that can fail: enough to take it all
/// back and answer again.
///
/// One object serves many turns, one after the other, so that a turn allocates nothing.
final class Turn {
    /// The store as it was before the first change.
    private(set) var snapshot: UInt64 = 0
    private(set) var entries: [TurnEntry] = []
    /// Domains that have died in it.
    private(set) var dead: [DeadDomain] = []
    /// The payloads of the entries, one after the other, and how many bytes they are.
    private var payloads = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var payloadsEnd = 0

    /// Room for so many entries, and bytes of them, is kept from turn to turn.
    private static let keptMax = (entries: 256, bytes: 64 * 1024)

    func begin(snapshot: UInt64) { self.snapshot = snapshot }

    deinit { payloads.deallocate() }

    func clear() {
        // Of one, which is usual, that is much cheaper.
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

    /// Notes a request that was handled, whatever it is: if the turn is taken back, so is its answer. The answer begins
    /// at `start` in the stream to its session.
    func note(
        _ header: Header, _ payload: UnsafeRawBufferPointer, of session: Session, start: UInt64, moment: UInt64?
    ) {
        let end = payloadsEnd + payload.count
        if end > payloads.count { resizePayloads(to: max(2 * end, 4096)) }
        UnsafeMutableRawBufferPointer(rebasing: payloads[payloadsEnd...]).copyMemory(from: payload)
        entries.append(
            TurnEntry(
                session: session, header: header, payload: payloadsEnd..<end, start: start,
                end: session.position.made, moment: moment))
        payloadsEnd = end
    }

    func note(_ domain: DeadDomain) { dead.append(domain) }

    func withPayload<Result>(of entry: TurnEntry, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        body(UnsafeRawBufferPointer(rebasing: payloads[entry.payload]))
    }
}

/// A domain that has died in a turn.
struct DeadDomain {
    let id: DomainID
    /// Whether somebody waits to hear of it who has not yet.
    let mustTell: Bool
}

/// A request that a turn has answered.
struct TurnEntry {
    let session: Session
    let header: Header
    /// Where in its turn's payloads its own is.
    fileprivate let payload: Range<Int>
    /// Where in the stream to its session the answer begins.
    let start: UInt64
    /// Where the answer ends, with what it has caused in the same stream.
    let end: UInt64
    /// The moment that the request's transaction shows, if it has one. It may have ended with the request.
    let moment: UInt64?
}

/// A turn that has ended, while storage is asked to keep what it has changed.
package struct ClosedTurn {
    let turn: Turn?
    /// The notes of streams that are kept with it.
    let streams: StreamNotes
}
