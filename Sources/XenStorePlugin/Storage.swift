// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Keeps the kernel's state beyond the process.
public protocol Storage: Plugin {
    /// Whether the storage keeps anything. If not (`memory`), the kernel makes no batches.
    var wantsBatches: Bool { get }
    /// Hands everything to `loader`: nodes, with parents before their children and children in the order of their
    /// creation; and notes, in any order. The daemon calls it once, before it starts any transport. An empty storage
    /// hands over nothing.
    func load(into loader: any StateLoader) throws(StorageError)
    /// Stores all changes of one turn, or throws and stores none. The daemon sends replies only after this returns.
    func commit(_ batch: borrowing ChangeBatch) throws(StorageError)
    /// How many nanoseconds a commit may wait for more changes. 0, the default, is right if a commit costs little more
    /// than a request.
    var patience: UInt64 { get }
    /// How near commits are to a wait for slower work, such as a fold of a journal, from 0 (the default) to 100. From
    /// 50 on the kernel does not serve guests that change much, and from 75 on no guests. So dom0 does not wait because
    /// of guests.
    var load: Int { get }
    /// Whether the storage refuses commits because a disk is full, but still accepts removals. Then a successful commit
    /// does not mean that all work. False by default.
    var lacksRoom: Bool { get }
    /// Closes the storage when the daemon ends in an orderly way.
    func close()
}

extension Storage {
    public var patience: UInt64 { 0 }
    public var load: Int { 0 }
    public var lacksRoom: Bool { false }
}

/// An error of a storage.
public struct StorageError: Error, Sendable, CustomStringConvertible {
    /// The text for the log: the action, the file, and the system's error.
    public var description: String
    public init(_ description: String) { self.description = description }
}

/// One node as storage keeps it. The buffers are valid only during the call that hands the record over.
public struct NodeRecord {
    /// The absolute path, without a NUL. The path of a special node begins with `@`.
    public var path: UnsafeRawBufferPointer
    public var value: UnsafeRawBufferPointer
    public var permissions: [Permission]
    public var generation: UInt64
    /// The names of the children in the order of their creation, each with a NUL after it.
    public var children: [UInt8]

    public init(
        path: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, permissions: [Permission],
        generation: UInt64, children: [UInt8]
    ) {
        self.path = path
        self.value = value
        self.permissions = permissions
        self.generation = generation
        self.children = children
    }
}

/// One change of a turn.
public enum Change {
    /// The node is new or has changed. The record has all of it.
    case stored(NodeRecord)
    /// The node at this absolute path is removed.
    case removed(path: UnsafeRawBufferPointer)
    /// The node at this absolute path is removed, with everything that was below it before this turn. A large subtree
    /// is one change, so that nobody waits until all its nodes are listed. It comes before the nodes that the turn has
    /// stored at the same paths.
    case removedSubtree(path: UnsafeRawBufferPointer)
    /// The kernel's note under this key is new or has changed. The kernel finds it again after a restart. Storage does
    /// not understand the bytes. The key is short text that does not begin with `/` or `@`, so it is never a path.
    case noted(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)
    /// The note under this key is not needed any more.
    case forgotten(key: UnsafeRawBufferPointer)
}
