// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The tree of nodes, as of now and as of every open snapshot.
///
/// A flat table finds a node by the hash of its path; nodes link to parent, children and siblings.
/// Children stand in the order of their creation. Whatever changes is counted in the ledger here,
/// and nowhere else.
final class Store {
    let ledger: Ledger
    let hashing: PathHash
    var nodes = Slab<Node>()
    var versions = Slab<NodeVersion>()
    var permissions = PermissionTable()
    var index = HashIndex()
    var snapshots = Snapshots()
    /// What closed snapshots have left and is yet to be handed on or freed.
    var leftovers = Leftovers()
    /// Goes up by one with every change of the store.
    var generation: UInt64 = 1
    /// How many drafts there have been.
    var draftSerial: UInt64 = 0
    /// Nodes in the tree, special ones included.
    var count = 0

    /// The root, which is always there.
    let root: NodeID
    /// For the paths of what a turn has changed.
    let walk = PathWalk()

    init(ledger: Ledger, hashing: PathHash, rootPermissions: PermissionList) {
        self.ledger = ledger
        self.hashing = hashing
        root = NodeID(number: 1)
        let list = permissions.retain(rootPermissions)
        insertUnlinked(name: UnsafeRawBufferPointer("/"), hash: hashing.root, permissions: list)
    }

    deinit {
        // Blocks of live nodes, of kept ones and of versions; lists go with their tables.
        forEachUsedNode { nodes[$0.number].pointee.block.deallocate() }
    }

    // MARK: Looking

    @inline(__always)
    func pointer(_ id: NodeID) -> UnsafeMutablePointer<Node> { nodes[id.number] }

    /// The node at `path`, or none.
    @inline(__always)
    func find(_ path: Path) -> NodeID {
        NodeID(
            number: index.find(UInt32(truncatingIfNeeded: path.hash)) { number in
                nodes[number].pointee.isLive && matches(NodeID(number: number), path)
            })
    }

    /// The node that was at `path` at `moment`, or none.
    func find(_ path: Path, at moment: UInt64) -> NodeID {
        NodeID(
            number: index.find(UInt32(truncatingIfNeeded: path.hash)) { number in
                nodes[number].pointee.existed(at: moment) && matches(NodeID(number: number), path)
            })
    }

    /// Whether the node's path, read from its end, is `path`.
    @inline(__always)
    private func matches(_ id: NodeID, _ path: Path) -> Bool {
        if path.isSpecial || path.depth == 0 {
            let node = pointer(id)
            return !node.pointee.parent.exists && node.pointee.name.isEqual(to: path.bytes)
        }
        var id = id
        var end = path.bytes.count
        while true {
            let node = pointer(id)
            if !node.pointee.parent.exists { return end == 0 && id == root }
            let length = Int(node.pointee.nameLength)
            let start = end &- length
            if start < 1 || path.bytes[start &- 1] != UInt8(ascii: "/") { return false }
            if !node.pointee.name.isEqual(
                to: UnsafeRawBufferPointer(rebasing: path.bytes[start..<end]))
            {
                return false
            }
            end = start &- 1
            id = node.pointee.parent
        }
    }

    /// What the node held at `moment`.
    func content(of id: NodeID, at moment: UInt64) -> NodeContent {
        let node = pointer(id)
        if node.pointee.generation <= moment { return content(of: id) }
        var number = node.pointee.versions
        while number != 0 {
            let version = versions[number]
            if version.pointee.generation <= moment {
                return NodeContent(
                    value: version.pointee.value, permissions: version.pointee.permissions,
                    generation: version.pointee.generation)
            }
            number = version.pointee.older
        }
        preconditionFailure("a snapshot lacks a version of a node it shows")
    }

    /// The node's path, without a NUL. Not recursive: guests choose how deep a path is.
    func path(of id: NodeID) -> [UInt8] {
        guard pointer(id).pointee.parent.exists else { return Array(name(of: id)) }
        return Array(unsafeUninitializedCapacity: Int(pointer(id).pointee.pathLength)) { bytes, count in
            count = bytes.count
            var end = count
            var id = id
            while id != root {
                let name = name(of: id)
                end -= name.count + 1
                bytes[end] = UInt8(ascii: "/")
                UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[(end + 1)...])
                    .copyMemory(from: name)
                id = pointer(id).pointee.parent
            }
        }
    }

    // MARK: Parts

    @inline(__always)
    func advance() { generation &+= 1 }

    /// The root or a special node.
    func insertUnlinked(name: UnsafeRawBufferPointer, hash: UInt64, permissions list: PermissionsID) {
        let id = allocate(
            name: name, value: UnsafeRawBufferPointer(start: nil, count: 0), hash: hash, pathLength: name.count,
            parent: .none, permissions: list, created: generation)
        index.insert(id.number, hash: UInt32(truncatingIfNeeded: hash))
        count += 1
        charge(id, sign: 1)
    }

    /// A node that is in no list and no index yet.
    func allocate(
        name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, hash: UInt64, pathLength: Int,
        parent: NodeID, permissions: PermissionsID, created: UInt64
    ) -> NodeID {
        let block = Store.block(name.count + value.count)
        block.copyMemory(from: name)
        (block + name.count).copyMemory(from: value)
        return NodeID(
            number: nodes.insert(
                Node(
                    generation: created, created: created, block: block,
                    hash: hash, parent: parent, permissions: permissions,
                    pathLength: UInt16(truncatingIfNeeded: pathLength),
                    nameLength: UInt16(truncatingIfNeeded: name.count),
                    valueLength: UInt16(truncatingIfNeeded: value.count))))
    }

    /// Frees a node that nothing refers to any more but its siblings and the index.
    func free(_ id: NodeID) {
        let node = pointer(id)
        index.remove(id.number, hash: UInt32(truncatingIfNeeded: node.pointee.hash))
        unlink(id)
        release(id)
    }

    /// Gives back what the node holds, and its number.
    func release(_ id: NodeID) {
        let node = pointer(id)
        precondition(node.pointee.versions == 0, "a node with versions is still shown")
        permissions.release(node.pointee.permissions)
        node.pointee.block.deallocate()
        node.pointee.created = 0
        nodes.remove(id.number)
    }

    func owner(of id: NodeID) -> DomainID { permissions.owner(of: pointer(id).pointee.permissions) }

    /// Counts the node to its owner, or off. Bytes are as C xenstored counts them, but for the
    /// names of children, which count to the children.
    func charge(_ id: NodeID, sign: Int) {
        let node = pointer(id)
        let list = permissions[node.pointee.permissions]
        let bytes = 16 + 8 * list.entries.count + Int(node.pointee.valueLength) + Int(node.pointee.pathLength)
        ledger.adjustNodes(of: list.owner, by: sign, bytes: sign * bytes)
    }

    /// The parent's list of children is about to change.
    func touchChildren(of parent: NodeID, by length: Int) {
        guard parent.exists else { return }
        keepVersion(of: parent)
        let node = pointer(parent)
        node.pointee.childNamesLength = UInt32(Int(node.pointee.childNamesLength) + length)
        node.pointee.generation = generation
    }

    func append(_ id: NodeID, to parent: NodeID) {
        guard parent.exists else { return }
        let last = pointer(parent).pointee.lastChild
        pointer(id).pointee.previousSibling = last
        if last.exists {
            pointer(last).pointee.nextSibling = id
        } else {
            pointer(parent).pointee.firstChild = id
        }
        pointer(parent).pointee.lastChild = id
    }

    func unlink(_ id: NodeID) {
        let node = pointer(id).pointee
        guard node.parent.exists else { return }
        if node.previousSibling.exists {
            pointer(node.previousSibling).pointee.nextSibling = node.nextSibling
        } else {
            pointer(node.parent).pointee.firstChild = node.nextSibling
        }
        if node.nextSibling.exists {
            pointer(node.nextSibling).pointee.previousSibling = node.previousSibling
        } else {
            pointer(node.parent).pointee.lastChild = node.previousSibling
        }
    }

    // MARK: Blocks

    /// What malloc gives for `length` bytes anyway: 24, 40, 56...
    @inline(__always)
    private static func capacity(_ length: Int) -> Int { (length + 8 + 15) & ~15 - 8 }

    static func block(_ length: Int) -> UnsafeMutableRawPointer {
        .allocate(byteCount: max(24, capacity(length)), alignment: 8)
    }

    /// In place where the block is as large as a new one would be, so that a value that is written
    /// again and again costs no allocation.
    @inline(__always)
    func replaceValue(of node: UnsafeMutablePointer<Node>, by value: UnsafeRawBufferPointer) {
        let name = Int(node.pointee.nameLength)
        let old = name + Int(node.pointee.valueLength)
        let new = name + value.count
        if max(24, Store.capacity(old)) != max(24, Store.capacity(new)) {
            let block = Store.block(new)
            block.copyMemory(from: node.pointee.name)
            node.pointee.block.deallocate()
            node.pointee.block = block
        }
        (node.pointee.block + name).copyMemory(from: value)
        node.pointee.valueLength = UInt16(truncatingIfNeeded: value.count)
    }

    /// Every node in use: live, kept, or in a draft.
    func forEachUsedNode(_ body: (NodeID) -> Void) {
        nodes.forEach { number, node in
            if node.pointee.created != 0 { body(NodeID(number: number)) }
        }
    }
}

extension Store: Tree {
    static var isLive: Bool { true }
    var serial: UInt64 { 0 }

    @inline(__always)
    func content(of id: NodeID) -> NodeContent {
        let node = pointer(id)
        return NodeContent(
            value: node.pointee.value, permissions: node.pointee.permissions,
            generation: node.pointee.generation)
    }

    func childNamesLength(of id: NodeID, limit: Int) -> Int { Int(pointer(id).pointee.childNamesLength) }

    func parent(of id: NodeID) -> NodeID { pointer(id).pointee.parent }

    func firstChild(of id: NodeID) -> NodeID { firstLive(from: pointer(id).pointee.firstChild) }

    func nextSibling(of id: NodeID) -> NodeID { firstLive(from: pointer(id).pointee.nextSibling) }

    @inline(__always)
    private func firstLive(from id: NodeID) -> NodeID {
        var id = id
        while id.exists, !pointer(id).pointee.isLive { id = pointer(id).pointee.nextSibling }
        return id
    }

    func name(of id: NodeID) -> UnsafeRawBufferPointer { pointer(id).pointee.name }
}

extension UnsafeMutableRawPointer {
    @inline(__always)
    func copyMemory(from bytes: UnsafeRawBufferPointer) {
        if let start = bytes.baseAddress, bytes.count > 0 {
            copyMemory(from: start, byteCount: bytes.count)
        }
    }
}
