// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A transaction: a draft of the store as it was at the start, and the requests that made it, to be
/// replayed on the store as it is at the end.
final class Transaction {
    let number: UInt32
    let draft: Draft
    /// The requests worth replaying, and a digest of what each was answered.
    private(set) var requests: [Logged] = []
    private var payloads: [UInt8] = []
    /// Requests since the last change, each of which would be answered the same again.
    private var repeated: Set<UInt64> = []
    /// Something was refused for lack of room: what the client meant as a whole cannot be done as a
    /// whole any more, and END will say so.
    var isPoisoned = false
    /// Was open when the daemon before this one ended, and what was done in it is not known any more.
    var isLost = false
    /// Bytes of this transaction that are counted to its domain.
    var charged = 0

    struct Logged {
        var operation: Operation
        var payload: Range<Int>
        var digest: UInt64
        /// Whether it was answered with an error.
        var failed: Bool
    }

    init(number: UInt32, store: Store) {
        self.number = number
        draft = Draft(of: store)
    }

    /// Bytes held for this transaction.
    var memory: Int { draft.memory + payloads.count + requests.count * MemoryLayout<Logged>.stride }

    /// Remembers a request and what it was answered.
    func log(_ request: Request, digest: UInt64, failed: Bool, hashing: PathHash) {
        if request.operation.changesTree {
            repeated = []
        } else {
            let key = hashing.child(request.payload, of: UInt64(request.operation.rawValue))
            if !repeated.insert(key).inserted { return }
        }
        let start = payloads.count
        payloads.append(contentsOf: request.payload)
        requests.append(
            Logged(
                operation: request.operation, payload: start..<payloads.count, digest: digest,
                failed: failed))
    }

    func withPayload(of logged: Logged, _ body: (UnsafeRawBufferPointer) -> Void) {
        payloads.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[logged.payload])) }
    }
}

extension Operation {
    /// Whether the operation may change nodes.
    var changesTree: Bool {
        switch self {
        case .write, .makeDirectory, .remove, .setPermissions: true
        default: false
        }
    }
}

/// What a transaction changes while it is committed: each path once, in the order in which the
/// transaction first touched it.
final class Replay {
    private let order: [UInt64: Int]
    private var paths: [UInt64: (bytes: [UInt8], isExact: Bool)] = [:]

    init(order: [UInt64: Int]) { self.order = order }

    func note(_ path: UnsafeRawBufferPointer, hash: UInt64, isExact: Bool) {
        if let known = paths[hash] {
            paths[hash] = (known.bytes, known.isExact && isExact)
        } else {
            paths[hash] = (Array(path), isExact)
        }
    }

    /// The changed paths in the order of their events.
    var ordered: [(bytes: [UInt8], isExact: Bool)] {
        paths.sorted { (order[$0.key] ?? .max, $0.key) < (order[$1.key] ?? .max, $1.key) }
            .map(\.value)
    }
}
