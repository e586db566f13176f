// SPDX-License-Identifier: Apache-2.0

/// What storage is to keep, or to forget, beside the nodes: what the next daemon needs to go on. Collected until
/// storage has taken it; what it could not take waits for it to work again.
final class Notes {
    /// Whether there is a storage that keeps anything.
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

    /// Forgets what storage has never heard of without asking it: what comes and goes while storage fails must
    /// not fill memory.
    func withdraw(_ key: Record.Key) {
        if !areKept { return }
        if case .some(.some) = pending[key.bytes] { pending[key.bytes] = nil } else { forget(key) }
    }

    /// All of them, with those of this turn's streams.
    func all(with streams: StreamNotes) -> [[UInt8]: [UInt8]?] {
        streams.pending.isEmpty ? pending : pending.merging(streams.pending) { $1 }
    }

    /// Storage has taken all.
    func clear() { pending = [:] }
}

/// The notes of streams that one batch holds. If storage fails they are made again for the next.
struct StreamNotes {
    fileprivate var pending: [[UInt8]: [UInt8]?] = [:]
    /// Whose streams they are about.
    private(set) var sessions: [Session] = []

    var isEmpty: Bool { sessions.isEmpty }

    mutating func add(_ records: [Record], forgetting gone: [Record.Key], of session: Session) {
        for key in gone { pending[key.bytes] = .some(nil) }
        for record in records { pending[record.key.bytes] = .some(record.bytes) }
        sessions.append(session)
    }
}
