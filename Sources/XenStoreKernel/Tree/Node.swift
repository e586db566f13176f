// SPDX-License-Identifier: Apache-2.0

/// A node's number in the store. Numbers of removed nodes are used again.
struct NodeID: Hashable {
    var number: UInt32
    static let none = NodeID(number: 0)
    @inline(__always) var exists: Bool { number != 0 }
}

/// One node as the store keeps it: 88 bytes, and one block for name and value.
struct Node: BitwiseCopyable {
    /// The generation of the last change of value, permissions or list of children.
    var generation: UInt64
    /// The generation at which the node was created, or ``Node/unborn`` while only a transaction's draft has it.
    var created: UInt64
    /// The generation at which the node was removed, or 0. A removed node stays where it was as long as a snapshot
    /// shows it.
    var removed: UInt64 = 0
    /// Name, then value.
    var block: UnsafeMutableRawPointer
    /// The hash of the whole path. A guest chooses how deep a path is, so work on many nodes must not climb to the root
    /// for each one.
    var hash: UInt64
    var parent: NodeID
    var firstChild = NodeID.none
    var lastChild = NodeID.none
    var previousSibling = NodeID.none
    var nextSibling = NodeID.none
    var permissions: PermissionsID
    /// Nodes in the tree with the same permission list are linked, so that a domain's nodes are found without a walk
    /// over the whole tree.
    var nextAlike = NodeID.none
    var previousAlike = NodeID.none
    /// The newest of the versions that snapshots still need, or 0.
    var versions: UInt32 = 0
    /// The bytes of all children's names with their NULs: the size of DIRECTORY's reply.
    var childNamesLength: UInt32 = 0
    /// The bytes of the whole path, without a NUL. Kept for the same reason.
    var pathLength: UInt16
    var nameLength: UInt16
    var valueLength: UInt16
    /// Whether its parent belongs to another owner, as long as it is linked. Among those with its list, such nodes come
    /// first.
    var isTop = false

    static let unborn = UInt64.max

    @inline(__always) var name: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: block, count: Int(nameLength))
    }
    @inline(__always) var value: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: block + Int(nameLength), count: Int(valueLength))
    }
    @inline(__always) var isLive: Bool { removed == 0 }

    /// Whether the node was in the tree at this generation.
    @inline(__always)
    func existed(at generation: UInt64) -> Bool {
        created <= generation && (removed == 0 || removed > generation)
    }
}

/// The content of a node before a change, kept for snapshots that are older than the change.
struct NodeVersion: BitwiseCopyable {
    /// The generation at which the node got this content.
    var generation: UInt64
    var block: UnsafeMutableRawPointer
    var valueLength: UInt16
    var permissions: PermissionsID
    /// The next older version, or 0.
    var older: UInt32

    var value: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: block, count: Int(valueLength))
    }

    /// The bytes that it takes, with its place in a snapshot's list and malloc's own.
    var footprint: Int {
        MemoryLayout<NodeVersion>.stride + MemoryLayout<Snapshots.Kept>.stride + 24 + Int(valueLength)
    }
}

/// What a request needs to know of a node that it may read. The buffer belongs to the store.
struct NodeContent {
    var value: UnsafeRawBufferPointer
    var permissions: PermissionsID
    var generation: UInt64

    @inline(__always)
    init(value: UnsafeRawBufferPointer, permissions: PermissionsID, generation: UInt64) {
        self.value = value
        self.permissions = permissions
        self.generation = generation
    }

    /// The node's content now.
    @inline(__always)
    init(_ node: Node) { self.init(value: node.value, permissions: node.permissions, generation: node.generation) }
}
