// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Where the kernel's state outlives the process.
public protocol Storage: Plugin {
    /// False if nothing is kept (`memory`): the kernel then gathers no batches at all.
    var wantsBatches: Bool { get }
    /// Hands everything stored to `loader`: nodes, parents before their children and children in
    /// creation order, and what was noted, in any order. Called once, before any transport starts. An
    /// empty storage hands over nothing.
    func load(into loader: any StateLoader) throws(StorageError)
    /// Makes one turn's changes durable: all of them, or none and an error. Replies that
    /// acknowledge the changes are sent only after this has returned.
    func commit(_ batch: borrowing ChangeBatch) throws(StorageError)
    /// For how many nanoseconds a commit may be put off while more comes that it can take along: 0, which
    /// is the default, if a commit costs little more than a request.
    var patience: UInt64 { get }
    /// How near commits are to having to wait for slower work, such as folding a journal: 0, the default, to
    /// 100. From 50 on guests that have much done are not served before it is less, and from 75 on no guests, so
    /// that dom0 does not wait because of them.
    var load: Int { get }
    /// Commits are refused because a disk is full, while those that remove something are still taken: that
    /// one works does not mean that all do. False by default.
    var lacksRoom: Bool { get }
    /// The daemon ends in an orderly way.
    func close()
}

extension Storage {
    public var patience: UInt64 { 0 }
    public var load: Int { 0 }
    public var lacksRoom: Bool { false }
}

/// A storage that could not do what it was asked for.
public struct StorageError: Error, Sendable, CustomStringConvertible {
    /// For the log: what was being done, on which file, and what the system said.
    public var description: String
    public init(_ description: String) { self.description = description }
}

/// One node as storage keeps it. The buffers are valid only while the record is handed over.
public struct NodeRecord {
    /// Absolute, without a NUL; special nodes start with `@`.
    public var path: UnsafeRawBufferPointer
    public var value: UnsafeRawBufferPointer
    public var permissions: [Permission]
    public var generation: UInt64
    /// Names of the children in creation order, each followed by a NUL.
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

/// One thing that a turn has changed.
public enum Change {
    /// The node is new or has changed; this is all of it.
    case stored(NodeRecord)
    /// The node at this absolute path is gone.
    case removed(path: UnsafeRawBufferPointer)
    /// Something else that the kernel wants to find again after a restart, such as a domain that is
    /// introduced, is new or has changed. What it means is the kernel's business: storage keeps the
    /// bytes. The key is short text that begins with neither `/` nor `@`, so it is never a path.
    case noted(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)
    /// What was noted under this key is not needed any more.
    case forgotten(key: UnsafeRawBufferPointer)
}
