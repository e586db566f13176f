// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What a turn has done since its first change, for a storage that can fail: enough to take it all
/// back and answer again.
struct Turn {
    /// The store as it was before the first change.
    let snapshot: UInt64
    private(set) var entries: [TurnEntry] = []
    /// Domains that have died in it.
    fileprivate(set) var dead: [DeadDomain] = []

    init(snapshot: UInt64) { self.snapshot = snapshot }

    /// Notes a request that was handled, whatever it is: if the turn is taken back, so is its answer.
    mutating func note(_ entry: TurnEntry) { entries.append(entry) }

    mutating func note(_ domain: DeadDomain) { dead.append(domain) }
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
    let payload: [UInt8]
    /// Where in the stream to its session the answer begins.
    let start: UInt64
    /// Where the answer ends, with what it has caused in the same stream.
    let end: UInt64
    /// The moment that the request's transaction shows, if it has one. It may have ended with the request.
    let moment: UInt64?
}

/// A turn that has ended, while storage is asked to keep what it has changed.
struct ClosedTurn {
    let turn: Turn?
    /// The notes of streams that are kept with it.
    let streams: StreamNotes
}
