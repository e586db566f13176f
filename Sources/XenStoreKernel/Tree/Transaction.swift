// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A transaction: a draft of the store as it was at the start, and the requests that have made the draft. At the end
/// the kernel replays them on the store as it is then.
final class Transaction {
    enum State: Equatable {
        /// END will try to commit it.
        case open
        /// END answers EAGAIN. The changes are lost, because the daemon was restarted, or because others' writes made
        /// the snapshot too expensive. Its requests see the store as it is.
        case lost
        /// END answers ENOMEM. The client's changes cannot all be done any more, so the transaction keeps none. With an
        /// error, each further request gets this error: a limit was reached.
        case poisoned(WireError?)
    }

    let number: UInt32
    /// The store's generation when it started.
    let start: UInt64
    private(set) var state = State.open
    /// Nil when the transaction keeps nothing any more.
    private(set) var draft: Draft?
    var log = RequestLog()
    /// The bytes of this transaction that are counted to its client.
    var charged = 0

    /// The bytes that a transaction takes before its first request.
    private static let base = 512

    init(number: UInt32, store: Store, reader: (any SnapshotReader)?) {
        self.number = number
        start = store.generation
        draft = Draft(of: store, reader: reader)
    }

    /// The bytes that this transaction holds, without the versions that its snapshot pins.
    var memory: Int { Transaction.base + (draft?.memory ?? 0) + log.memory }

    /// The number of times that its requests have touched a node: the cost of its end.
    var work: Int { draft?.work ?? 0 }

    /// The changes cannot be committed any more. Drops them.
    func poison(_ error: WireError?) {
        state = .poisoned(error)
        close()
    }

    /// Forgets the changes. Requests see the store as it is now.
    func lose(of store: Store, reader: (any SnapshotReader)?) {
        close()
        state = .lost
        draft = Draft(of: store, reader: reader)
    }

    /// Drops everything that the transaction holds.
    func close() {
        draft?.close()
        draft = nil
        log = RequestLog()
    }
}
