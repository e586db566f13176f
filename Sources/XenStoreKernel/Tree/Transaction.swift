// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A transaction: a draft of the store as it was at the start, and the requests that made it, to be
/// replayed on the store as it is at the end.
final class Transaction {
    enum State: Equatable {
        /// END will try to commit it.
        case open
        /// END answers EAGAIN: what was done is not known any more, since the daemon was restarted, or was
        /// given up because others' writes made the snapshot too dear. Its requests see the store as it is.
        case lost
        /// END answers ENOMEM: what the client meant as a whole cannot be done as a whole any more. Nothing
        /// of it is kept. With an error, that is the answer to each further request: a limit was reached.
        case poisoned(WireError?)
    }

    let number: UInt32
    /// The store's generation when it started.
    let start: UInt64
    private(set) var state = State.open
    /// Nil once nothing is kept.
    private(set) var draft: Draft?
    var log = RequestLog()
    /// Bytes of this transaction that are counted to its client.
    var charged = 0

    /// Bytes that a transaction takes before the first request.
    private static let base = 512

    init(number: UInt32, store: Store, reader: (any SnapshotReader)?) {
        self.number = number
        start = store.generation
        draft = Draft(of: store, reader: reader)
    }

    /// Bytes held for this transaction, the versions that its snapshot pins aside.
    var memory: Int { Transaction.base + (draft?.memory ?? 0) + log.memory }

    /// The nodes that its requests have touched, each time counted: what its end will cost.
    var work: Int { draft?.work ?? 0 }

    /// Nothing that was done can be committed. What was kept for that goes.
    func poison(_ error: WireError?) {
        state = .poisoned(error)
        close()
    }

    /// What was done is forgotten. Requests see the store as it is now.
    func lose(of store: Store, reader: (any SnapshotReader)?) {
        close()
        state = .lost
        draft = Draft(of: store, reader: reader)
    }

    /// Drops all that is held.
    func close() {
        draft?.close()
        draft = nil
        log = RequestLog()
    }
}
