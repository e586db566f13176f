// SPDX-License-Identifier: Apache-2.0

/// Takes the content of a storage at the start: into the kernel, or into a list in the test of a storage.
public protocol StateLoader: AnyObject {
    /// Takes one node. Its parent must come first. Throws if the path is invalid, the parent is missing or the value is
    /// too long.
    func add(_ node: NodeRecord) throws(StorageError)

    /// Takes one note.
    func add(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)
}
