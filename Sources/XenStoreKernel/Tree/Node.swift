// SPDX-License-Identifier: Apache-2.0

/// A node's number in the store. Numbers of removed nodes are used again.
struct NodeID: Hashable {
    var number: UInt32
    static let none = NodeID(number: 0)
    @inline(__always) var exists: Bool { number != 0 }
}

/// One node as the store keeps it: 88 bytes, and one block for name and value.
struct Node: BitwiseCopyable {
    /// When value, permissions or the list of children last changed.
    var generation: UInt64
    /// When the node came to be. ``Node/unborn`` while it is only in a transaction's draft.
    var created: UInt64
    /// When the node was removed; 0 while it is there. Removed nodes stay where they were as long
    /// as a snapshot shows them.
    var removed: UInt64 = 0
    /// Name, then value.
    var block: UnsafeMutableRawPointer
    /// The hash of the whole path. Kept, as a guest chooses how deep a path is: what is done for each of
    /// many nodes must not climb to the root for each.
    var hash: UInt64
    var parent: NodeID
    var firstChild = NodeID.none
    var lastChild = NodeID.none
    var previousSibling = NodeID.none
    var nextSibling = NodeID.none
    var permissions: PermissionsID
    /// Nodes in the tree that have the same list of permissions are linked, so that a domain's nodes are found without
    /// a walk over all.
    var nextAlike = NodeID.none
    var previousAlike = NodeID.none
    /// The newest of the versions that snapshots still need; 0 if there is none.
    var versions: UInt32 = 0
    /// Bytes of all children's names with their NULs: what DIRECTORY answers.
    var childNamesLength: UInt32 = 0
    /// Bytes of the whole path, without a NUL; kept for the same reason.
    var pathLength: UInt16
    var nameLength: UInt16
    var valueLength: UInt16

    static let unborn = UInt64.max

    @inline(__always) var name: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: block, count: Int(nameLength))
    }
    @inline(__always) var value: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: block + Int(nameLength), count: Int(valueLength))
    }
    @inline(__always) var isLive: Bool { removed == 0 }

    /// Whether the node was there at `moment`, a generation.
    @inline(__always)
    func existed(at moment: UInt64) -> Bool {
        created <= moment && (removed == 0 || removed > moment)
    }
}

/// What a node held before it changed, kept for snapshots that are older than the change.
struct NodeVersion: BitwiseCopyable {
    /// The generation from which on this was the node's content.
    var generation: UInt64
    var block: UnsafeMutableRawPointer
    var valueLength: UInt16
    var permissions: PermissionsID
    /// The next older version, 0 if there is none.
    var older: UInt32

    var value: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: block, count: Int(valueLength))
    }

    /// Bytes that it takes, with its place in a snapshot's list and what malloc adds.
    var footprint: Int {
        MemoryLayout<NodeVersion>.stride + MemoryLayout<Snapshots.Kept>.stride + 24 + Int(valueLength)
    }
}

/// What a request needs to know of a node it may read. The buffer is the store's own.
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

    /// What the node holds now.
    @inline(__always)
    init(_ node: Node) { self.init(value: node.value, permissions: node.permissions, generation: node.generation) }
}
