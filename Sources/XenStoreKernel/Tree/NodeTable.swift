// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// All nodes: those in the tree, those that only a snapshot still shows, and those that only a draft has.
///
/// A flat table finds a node by the hash of its path. Nodes link to parent, children and siblings. Children stand in
/// the order of their creation. Only this type counts in the ledger what each domain owns.
final class NodeTable {
    let ledger: Ledger
    let hashing: PathHash
    let permissions = PermissionTable()
    private var records = Slab<Node>()
    private var index = HashIndex()
    /// Grows by one with every change of the tree.
    private(set) var generation: UInt64 = 1
    /// The number of nodes in the tree, with the special ones, and of those that were detached and are not freed yet.
    private(set) var count = 0
    /// The check that is under way: what it has counted follows each change.
    var check: StoreCheck?

    /// The root, which always exists.
    let root = NodeID(number: 1)

    init(ledger: Ledger, hashing: PathHash, rootPermissions: PermissionList) {
        self.ledger = ledger
        self.hashing = hashing
        let list = permissions.retain(rootPermissions)
        insertUnlinked(name: UnsafeRawBufferPointer("/"), hash: hashing.root, permissions: list)
    }

    deinit {
        // Frees the blocks of names and values. The table of permission lists frees its own.
        forEachUsedNode { records[$0.number].pointee.block.deallocate() }
    }

    // MARK: Looking

    @inline(__always)
    func pointer(_ id: NodeID) -> UnsafeMutablePointer<Node> { records[id.number] }

    /// The node at `path`, or none.
    @inline(__always)
    func find(_ path: Path) -> NodeID {
        NodeID(
            number: index.find(UInt32(truncatingIfNeeded: path.hash)) { number in
                matches(NodeID(number: number), path) { $0.pointee.isLive }
            })
    }

    /// The node that was at `path` at this generation, or none.
    func find(_ path: Path, at generation: UInt64) -> NodeID {
        NodeID(
            number: index.find(UInt32(truncatingIfNeeded: path.hash)) { number in
                matches(NodeID(number: number), path) { $0.pointee.existed(at: generation) }
            })
    }

    /// Whether the node's path, read from its end, is `path`, and the node and all its ancestors are `there`. A node
    /// goes away with its ancestor, long before its own record does.
    @inline(__always)
    private func matches(
        _ id: NodeID, _ path: Path, where isThere: (UnsafeMutablePointer<Node>) -> Bool
    ) -> Bool {
        if path.isSpecial || path.depth == 0 {
            let node = pointer(id)
            return !node.pointee.parent.exists && node.pointee.name.isEqual(to: path.bytes)
        }
        var id = id
        var end = path.bytes.count
        while true {
            let node = pointer(id)
            if !node.pointee.parent.exists { return end == 0 && id == root }
            if !isThere(node) { return false }
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

    /// Whether an ancestor of the node was removed as the top of a subtree. Then the node's record is about to go.
    func isDetached(_ id: NodeID) -> Bool {
        var id = pointer(id).pointee.parent
        while id.exists {
            let node = pointer(id)
            if !node.pointee.isLive { return true }
            id = node.pointee.parent
        }
        return false
    }

    /// The node with a special name, such as `@releaseDomain`, or none.
    func find(special name: StaticString) -> NodeID {
        let name = UnsafeRawBufferPointer(name)
        let hash = hashing.child(name, of: hashing.special)
        return NodeID(
            number: index.find(UInt32(truncatingIfNeeded: hash)) { records[$0].pointee.name.isEqual(to: name) })
    }

    func name(of id: NodeID) -> UnsafeRawBufferPointer { pointer(id).pointee.name }

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

    /// Each node has a smaller number.
    var numbersEnd: UInt32 { records.next }

    /// Whether the record is a node's, and not only a draft's.
    func isNode(_ id: NodeID) -> Bool {
        let created = pointer(id).pointee.created
        return created != 0 && created != Node.unborn
    }

    /// The number of records in use: live nodes, kept ones, and those of drafts.
    var used: Int { records.count }

    /// Whether the node is linked to others with the same permissions, in its place.
    func isLinked(_ id: NodeID) -> Bool {
        let node = pointer(id).pointee
        if node.isTop != isTop(id) { return false }
        if node.isTop, node.previousAlike.exists, !pointer(node.previousAlike).pointee.isTop { return false }
        let before =
            node.previousAlike.exists
            ? pointer(node.previousAlike).pointee.nextAlike : permissions.firstNode(with: node.permissions)
        return before == id
            && (!node.previousAlike.exists || pointer(node.previousAlike).pointee.permissions == node.permissions)
    }

    /// Whether the index finds the node by the hash of its path.
    func isIndexed(_ id: NodeID) -> Bool {
        index.find(UInt32(truncatingIfNeeded: pointer(id).pointee.hash)) { $0 == id.number } != 0
    }

    // MARK: Content

    @inline(__always)
    func advance() { generation &+= 1 }

    func setValue(of id: NodeID, to value: UnsafeRawBufferPointer) {
        let node = pointer(id)
        let grown = value.count - Int(node.pointee.valueLength)
        if grown != 0 { ledger.adjustMemory(of: owner(of: id), by: grown) }
        replaceValue(of: node, by: value)
        node.pointee.generation = generation
    }

    func setPermissions(of id: NodeID, to list: PermissionsID) {
        let node = pointer(id)
        recharge(id) {
            permissions.release(node.pointee.permissions)
            node.pointee.permissions = list
        }
        node.pointee.generation = generation
    }

    func setGeneration(of id: NodeID, to generation: UInt64) {
        pointer(id).pointee.generation = generation
        self.generation = max(self.generation, generation)
    }

    func adjustChildNames(of parent: NodeID, by length: Int) {
        let node = pointer(parent)
        node.pointee.childNamesLength = UInt32(truncatingIfNeeded: Int(node.pointee.childNamesLength) + length)
    }

    /// Marks that the node is not in the tree any more since a generation: now, or when an ancestor was detached. Its
    /// record stays.
    func markRemoved(_ id: NodeID, since generation: UInt64) {
        pointer(id).pointee.removed = generation
        count -= 1
    }

    /// Puts the node into the tree again.
    func unmarkRemoved(_ id: NodeID) {
        pointer(id).pointee.removed = 0
        count += 1
        charge(id)
    }

    /// Removes the node as if it had never been in the tree.
    func leave(_ id: NodeID) {
        discharge(id)
        count -= 1
        free(id)
    }

    // MARK: Parts

    /// Adds the root or a special node.
    func insertUnlinked(name: UnsafeRawBufferPointer, hash: UInt64, permissions list: PermissionsID) {
        let id = allocate(
            name: name, value: UnsafeRawBufferPointer(start: nil, count: 0), hash: hash, pathLength: name.count,
            parent: .none, permissions: list, created: generation)
        enter(id, hash: hash)
    }

    /// Makes the node known by the hash of its path, and counts it to its owner.
    func enter(_ id: NodeID, hash: UInt64) {
        index.insert(id.number, hash: UInt32(truncatingIfNeeded: hash))
        count += 1
        charge(id)
    }

    /// Makes a node that is in no list and no index yet.
    func allocate(
        name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, hash: UInt64, pathLength: Int,
        parent: NodeID, permissions: PermissionsID, created: UInt64
    ) -> NodeID {
        let block = NodeTable.block(name.count + value.count)
        block.copyMemory(from: name)
        (block + name.count).copyMemory(from: value)
        return NodeID(
            number: records.insert(
                Node(
                    generation: created, created: created, block: block,
                    hash: hash, parent: parent, permissions: permissions,
                    pathLength: UInt16(truncatingIfNeeded: pathLength),
                    nameLength: UInt16(truncatingIfNeeded: name.count),
                    valueLength: UInt16(truncatingIfNeeded: value.count))))
    }

    /// Frees a node to which only its siblings and the index still refer.
    func free(_ id: NodeID) {
        let node = pointer(id)
        index.remove(id.number, hash: UInt32(truncatingIfNeeded: node.pointee.hash))
        unlink(id)
        release(id)
    }

    /// Frees what the node holds, and its number.
    func release(_ id: NodeID) {
        let node = pointer(id)
        precondition(node.pointee.versions == 0, "a node with versions is still shown")
        permissions.release(node.pointee.permissions)
        node.pointee.block.deallocate()
        node.pointee.created = 0
        records.remove(id.number)
    }

    func owner(of id: NodeID) -> DomainID { permissions.owner(of: pointer(id).pointee.permissions) }

    /// To be called when the node enters the tree or has got these permissions: counts it to its owner, and makes it
    /// known by its list. Bytes are counted as in C xenstored, except the names of children: here they count to the
    /// children.
    func charge(_ id: NodeID) {
        adjustLedger(for: id, by: 1)
        link(id)
    }

    /// To be called before the node leaves the tree or gets other permissions.
    func discharge(_ id: NodeID) {
        adjustLedger(for: id, by: -1)
        unlinkAlike(id)
    }

    /// Lets `change` give other permissions to a node in the tree.
    func recharge(_ id: NodeID, _ change: () -> Void) {
        discharge(id)
        let owner = owner(of: id)
        change()
        charge(id)
        if self.owner(of: id) != owner { relinkChildren(of: id) }
    }

    /// Whether the node has no parent, or one of another owner.
    func isTop(_ id: NodeID) -> Bool {
        let node = pointer(id)
        if !node.pointee.parent.exists { return true }
        let parent = pointer(node.pointee.parent)
        if parent.pointee.permissions == node.pointee.permissions { return false }
        return owner(of: node.pointee.parent) != owner(of: id)
    }

    /// Links the node to others with its list: the tops of what an owner has first, so that a domain's end finds them
    /// without the nodes below.
    private func link(_ id: NodeID) {
        let node = pointer(id)
        let list = node.pointee.permissions
        let (first, last) = (permissions.firstNode(with: list), permissions.lastNode(with: list))
        node.pointee.isTop = isTop(id)
        if node.pointee.isTop {
            (node.pointee.nextAlike, node.pointee.previousAlike) = (first, .none)
            if first.exists { pointer(first).pointee.previousAlike = id }
            permissions.setFirstNode(id, with: list)
            if !last.exists { permissions.setLastNode(id, with: list) }
        } else {
            (node.pointee.nextAlike, node.pointee.previousAlike) = (.none, last)
            if last.exists { pointer(last).pointee.nextAlike = id }
            permissions.setLastNode(id, with: list)
            if !first.exists { permissions.setFirstNode(id, with: list) }
        }
    }

    private func unlinkAlike(_ id: NodeID) {
        let node = pointer(id).pointee
        if node.nextAlike.exists {
            pointer(node.nextAlike).pointee.previousAlike = node.previousAlike
        } else {
            permissions.setLastNode(node.previousAlike, with: node.permissions)
        }
        if node.previousAlike.exists {
            pointer(node.previousAlike).pointee.nextAlike = node.nextAlike
        } else {
            permissions.setFirstNode(node.nextAlike, with: node.permissions)
        }
    }

    /// The node has another owner: some of its children are tops now, and others are not any more.
    private func relinkChildren(of id: NodeID) {
        var child = pointer(id).pointee.firstChild
        while child.exists {
            let node = pointer(child)
            if node.pointee.isLive, node.pointee.isTop != isTop(child) {
                unlinkAlike(child)
                link(child)
            }
            child = node.pointee.nextSibling
        }
    }

    private func adjustLedger(for id: NodeID, by sign: Int) {
        let list = permissions[pointer(id).pointee.permissions]
        ledger.adjustNodes(of: list.owner, by: sign, bytes: sign * bytes(of: id, list))
        if let check { check.follow(id, by: sign) }
    }

    private func bytes(of id: NodeID, _ list: borrowing PermissionList) -> Int {
        let node = pointer(id)
        return 16 + 8 * list.entries.count + Int(node.pointee.valueLength) + Int(node.pointee.pathLength)
    }

    /// The nodes in the tree that have this list of permissions, in no order.
    func nodes(with list: PermissionsID) -> [NodeID] {
        var found: [NodeID] = []
        forEachCounted(with: list) { if !isDetached($0) { found.append($0) } }
        return found
    }

    /// The nodes of a domain whose parents belong to others, in no order. Each other node of the domain is below one of
    /// them. Without those that were detached.
    func tops(of domain: DomainID) -> [NodeID] {
        var found: [NodeID] = []
        for list in permissions.lists(naming: domain) where permissions.owner(of: list) == domain {
            var node = permissions.firstNode(with: list)
            while node.exists, pointer(node).pointee.isTop {
                if !isDetached(node) { found.append(node) }
                node = pointer(node).pointee.nextAlike
            }
        }
        return found
    }

    /// What still counts to a domain, though it was removed with an ancestor.
    func detachedUsage(of domain: DomainID) -> Usage {
        var usage = Usage()
        for list in permissions.lists(naming: domain) where permissions.owner(of: list) == domain {
            forEachCounted(with: list) { id in
                if !isDetached(id) { return }
                usage.nodes += 1
                usage.memory += bytes(of: id, permissions[list])
            }
        }
        return usage
    }

    /// Calls `body` with each node that has this list and counts to its owner: those in the tree, and those whose
    /// ancestors were detached.
    private func forEachCounted(with list: PermissionsID, _ body: (NodeID) -> Void) {
        var node = permissions.firstNode(with: list)
        while node.exists {
            body(node)
            node = pointer(node).pointee.nextAlike
        }
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

    /// The bytes that malloc gives for `length` bytes anyway: 24, 40, 56...
    @inline(__always)
    private static func capacity(_ length: Int) -> Int { (length + 8 + 15) & ~15 - 8 }

    static func block(_ length: Int) -> UnsafeMutableRawPointer {
        .allocate(byteCount: max(24, capacity(length)), alignment: 8)
    }

    /// Keeps the block if a new one would be as large. So a value that is written again and again costs no allocation.
    @inline(__always)
    func replaceValue(of node: UnsafeMutablePointer<Node>, by value: UnsafeRawBufferPointer) {
        let name = Int(node.pointee.nameLength)
        let old = name + Int(node.pointee.valueLength)
        let new = name + value.count
        if max(24, NodeTable.capacity(old)) != max(24, NodeTable.capacity(new)) {
            let block = NodeTable.block(new)
            block.copyMemory(from: node.pointee.name)
            node.pointee.block.deallocate()
            node.pointee.block = block
        }
        (node.pointee.block + name).copyMemory(from: value)
        node.pointee.valueLength = UInt16(truncatingIfNeeded: value.count)
    }

    /// Every node in use: live, kept, or in a draft.
    func forEachUsedNode(_ body: (NodeID) -> Void) {
        records.forEach { number, node in
            if node.pointee.created != 0 { body(NodeID(number: number)) }
        }
    }
}

extension UnsafeMutableRawPointer {
    @inline(__always)
    func copyMemory(from bytes: UnsafeRawBufferPointer) {
        if let start = bytes.baseAddress, bytes.count > 0 {
            copyMemory(from: start, byteCount: bytes.count)
        }
    }
}
