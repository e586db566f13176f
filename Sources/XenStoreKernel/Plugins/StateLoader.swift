// SPDX-License-Identifier: Apache-2.0

/// Takes a storage's content into the kernel at start.
public final class StateLoader {
    init() {}
    public func add(_ node: NodeRecord) throws(StorageError) {}
}

/// What one turn has changed, as typed records.
public struct ChangeBatch: ~Copyable {
    public func forEach(_ body: (Change) throws(StorageError) -> Void) throws(StorageError) {}
}
