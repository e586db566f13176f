// SPDX-License-Identifier: Apache-2.0

/// The changes of one turn, as typed records. The batch borrows from its source: it is valid only while
/// ``Storage/commit(_:)`` runs.
public struct ChangeBatch: ~Copyable {
    private let source: any ChangeSource
    private let generation: UInt64
    private let notes: [[UInt8]: [UInt8]?]
    /// Whether the batch is useless after a reboot of the host. Then it needs no sync. Such a batch is only about
    /// peers, which end with the boot.
    public let endsWithBoot: Bool

    /// Makes a batch of the changes in `source` since a generation, and of the kernel's notes: a value for a key, or
    /// nil if storage should forget the key.
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

    /// Calls `body` with each note, then with each removed subtree, each removed path, and each new or changed node.
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

/// A source of changes: the kernel's store, or a list in the test of a storage.
public protocol ChangeSource: AnyObject {
    /// Calls `body` with each subtree that was removed as a whole since the generation, then with each path that was
    /// removed, then with each new or changed node.
    func forEachChange(since generation: UInt64, _ body: (Change) throws(StorageError) -> Void) throws(StorageError)
}
