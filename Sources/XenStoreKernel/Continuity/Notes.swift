// SPDX-License-Identifier: Apache-2.0

/// The notes for storage, beside the nodes: what the next daemon needs to go on. They are collected until storage has
/// taken them. If storage fails, they wait until it works again.
final class Notes {
    /// Whether a storage exists that keeps notes.
    let areKept: Bool
    private var pending: [[UInt8]: [UInt8]?] = [:]

    init(areKept: Bool) { self.areKept = areKept }

    var isEmpty: Bool { pending.isEmpty }
    var count: Int { pending.count }

    func keep(_ record: Record) {
        if areKept { pending[record.key.bytes] = .some(record.bytes) }
    }

    func forget(_ key: Record.Key) {
        if areKept { pending[key.bytes] = .some(nil) }
    }

    /// Drops a note. If storage has never had it, storage is not asked to forget it: notes that come and go while
    /// storage fails must not fill memory.
    func withdraw(_ key: Record.Key) {
        if !areKept { return }
        if case .some(.some) = pending[key.bytes] { pending[key.bytes] = nil } else { forget(key) }
    }

    /// All notes, with those of this turn's streams.
    func all(with streams: StreamNotes) -> [[UInt8]: [UInt8]?] {
        streams.pending.isEmpty ? pending : pending.merging(streams.pending) { $1 }
    }

    /// Storage has taken all notes.
    func clear() { pending = [:] }
}

/// The notes of streams in one batch. If storage fails they are made again for the next batch.
struct StreamNotes {
    fileprivate var pending: [[UInt8]: [UInt8]?] = [:]
    /// The sessions of these streams.
    private(set) var sessions: [Session] = []

    var isEmpty: Bool { sessions.isEmpty }

    mutating func add(_ records: [Record], forgetting gone: [Record.Key], of session: Session) {
        for key in gone { pending[key.bytes] = .some(nil) }
        for record in records { pending[record.key.bytes] = .some(record.bytes) }
        sessions.append(session)
    }
}
