// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The requests of a transaction, and a digest of the reply to each. They are replayed at its end.
struct RequestLog {
    struct Entry {
        var operation: Operation
        var payload: Range<Int>
        var digest: UInt64
        /// Whether the reply was an error.
        var failed: Bool
    }

    private(set) var entries: [Entry] = []
    private var payloads: [UInt8] = []
    /// Requests since the last change. The same request would get the same reply again.
    private var repeated: Set<UInt64> = []
    /// The number of requests, with those that need no entry.
    private(set) var count = 0

    /// The bytes that the log really takes.
    var memory: Int {
        // A set keeps a quarter of its places free, and each place takes the value and a bit.
        payloads.capacity + entries.capacity * MemoryLayout<Entry>.stride + repeated.capacity * 11
    }

    /// Adds a request and the digest of its reply.
    mutating func append(
        _ operation: Operation, _ payload: UnsafeRawBufferPointer, digest: UInt64, failed: Bool, hashing: PathHash
    ) {
        count += 1
        if operation.changesTree {
            repeated = []
        } else {
            let key = hashing.child(payload, of: UInt64(operation.rawValue))
            if !repeated.insert(key).inserted { return }
        }
        let start = payloads.count
        payloads.append(contentsOf: payload)
        entries.append(
            Entry(
                operation: operation, payload: start..<payloads.count, digest: digest, failed: failed))
    }

    func withPayload<Failure: Error>(
        of entry: Entry, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        try payloads.withBytes { bytes throws(Failure) in
            try body(UnsafeRawBufferPointer(rebasing: bytes[entry.payload]))
        }
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
