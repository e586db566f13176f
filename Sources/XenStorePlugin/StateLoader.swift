// SPDX-License-Identifier: Apache-2.0

/// Takes a storage's content at start: into the kernel, or into a list in the test of a storage.
public protocol StateLoader: AnyObject {
    /// Takes one node; its parent must have been taken before. Fails for a path that is none, a
    /// parent that is missing, and a value that is too long.
    func add(_ node: NodeRecord) throws(StorageError)

    /// Takes what the kernel has noted under a key.
    func add(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)
}
