// SPDX-License-Identifier: Apache-2.0

/// What one turn has changed, as typed records. It borrows from its source: good only while
/// ``Storage/commit(_:)`` runs.
public struct ChangeBatch: ~Copyable {
    private let source: any ChangeSource
    private let generation: UInt64
    private let notes: [[UInt8]: [UInt8]?]
    /// Nothing in it is of use when the host has been rebooted, so that it needs no sync: it is about
    /// peers that are gone then.
    public let endsWithBoot: Bool

    /// What `source` has changed since a generation, and what the kernel wants noted beside it: a value for a key,
    /// or nil if the key is to be forgotten.
    ///
    /// The kernel makes the batches of a daemon. The test of a storage makes one of any source.
    public init(
        of source: any ChangeSource, since generation: UInt64 = 0, notes: [[UInt8]: [UInt8]?] = [:],
        endsWithBoot: Bool = false
    ) {
        self.source = source
        self.generation = generation
        self.notes = notes
        self.endsWithBoot = endsWithBoot
    }

    /// Calls `body` with each node that is new or has changed, with each path that is gone, and with
    /// what else the kernel has noted.
    public func forEach(_ body: (Change) throws(StorageError) -> Void) throws(StorageError) {
        for (key, value) in notes {
            try key.withBytes { key throws(StorageError) in
                guard let value else { return try body(.forgotten(key: key)) }
                try value.withBytes { value throws(StorageError) in try body(.noted(key: key, value: value)) }
            }
        }
        try source.forEachChange(since: generation, body)
    }
}

/// Who knows what has changed: the kernel's store, or a list in the test of a storage.
public protocol ChangeSource: AnyObject {
    /// Calls `body` with each path that is gone since the generation, then with each node that is new or has changed.
    func forEachChange(since generation: UInt64, _ body: (Change) throws(StorageError) -> Void) throws(StorageError)
}
