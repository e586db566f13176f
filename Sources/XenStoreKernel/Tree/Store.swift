// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The tree of nodes, as it is now and as each open snapshot shows it.
///
/// Each change is one step of the generation. The store counts it in the ledger, and keeps what open snapshots show.
final class Store {
    let nodes: NodeTable
    let history: History
    /// Puts the paths of the nodes together that a turn has changed.
    let walk = PathWalk()
    /// Finds the nodes that a turn has changed.
    let changed = ChangedNodes()
    /// The number of drafts so far.
    private var draftSerial: UInt64 = 0

    init(ledger: Ledger, hashing: PathHash, rootPermissions: PermissionList) {
        nodes = NodeTable(ledger: ledger, hashing: hashing, rootPermissions: rootPermissions)
        history = History(of: nodes)
    }

    @inline(__always) var root: NodeID { nodes.root }
    @inline(__always) var permissions: PermissionTable { nodes.permissions }
    @inline(__always) var hashing: PathHash { nodes.hashing }
    @inline(__always) var generation: UInt64 { nodes.generation }
    /// The number of nodes, with the special ones.
    var count: Int { nodes.count }

    @inline(__always)
    func pointer(_ id: NodeID) -> UnsafeMutablePointer<Node> { nodes.pointer(id) }

    func owner(of id: NodeID) -> DomainID { nodes.owner(of: id) }

    /// The node's path, without a NUL.
    func path(of id: NodeID) -> [UInt8] { nodes.path(of: id) }

    /// The number of a new draft.
    func nextDraftSerial() -> UInt64 {
        draftSerial += 1
        return draftSerial
    }

    // MARK: Changing

    /// Adds a node at the end of `parent`'s children. No node may be at `path` yet. The caller has retained the
    /// permission list for the node.
    @discardableResult
    func create(_ path: Path, parent: NodeID, permissions list: PermissionsID, value: UnsafeRawBufferPointer) -> NodeID
    {
        nodes.advance()
        let name = path.name
        let id = nodes.allocate(
            name: name, value: value, hash: path.hash, pathLength: path.bytes.count, parent: parent,
            permissions: list, created: generation)
        touchChildren(of: parent, by: name.count + 1)
        nodes.append(id, to: parent)
        nodes.enter(id, hash: path.hash)
        history.addCreation(of: id)
        return id
    }

    /// Nodes that are not in the tree. Clients watch them to learn which domains come and go.
    static let specialNames: [StaticString] = ["@introduceDomain", "@releaseDomain"]

    /// Adds a special node, such as `@releaseDomain`, which is not in the tree.
    func createSpecial(_ name: StaticString, permissions list: PermissionList) {
        nodes.advance()
        let bytes = UnsafeRawBufferPointer(name)
        nodes.insertUnlinked(
            name: bytes, hash: hashing.child(bytes, of: hashing.special),
            permissions: permissions.retain(list))
    }

    func setValue(of id: NodeID, to value: UnsafeRawBufferPointer) {
        nodes.advance()
        history.keepVersion(of: id)
        nodes.setValue(of: id, to: value)
    }

    /// The caller has retained `list` for the node.
    func setPermissions(of id: NodeID, to list: PermissionsID) {
        nodes.advance()
        history.keepVersion(of: id)
        nodes.setPermissions(of: id, to: list)
    }

    /// Removes a node that has no children any more.
    func removeLeaf(_ id: NodeID) {
        takeOut(id)
        // Its versions stay for older snapshots.
        if !history.keep(removed: id) { history.freeUnshown(id) }
    }

    /// Removes a node and everything below it in a few steps, however much that is. Nobody finds the nodes any more;
    /// ``History/freeSlice()`` frees them later, and counts them until then.
    func detach(_ top: NodeID) {
        takeOut(top)
        history.keep(detached: top)
    }

    private func takeOut(_ id: NodeID) {
        nodes.advance()
        let node = pointer(id)
        nodes.discharge(id)
        touchChildren(of: node.pointee.parent, by: -(Int(node.pointee.nameLength) + 1))
        nodes.markRemoved(id, since: generation)
    }

    /// To be called before the parent's list of children changes.
    private func touchChildren(of parent: NodeID, by length: Int) {
        guard parent.exists else { return }
        history.keepVersion(of: parent)
        nodes.adjustChildNames(of: parent, by: length)
        pointer(parent).pointee.generation = generation
    }

    // MARK: Taking over

    /// Sets the generation that storage has kept of a node.
    func setGeneration(of id: NodeID, to generation: UInt64) { nodes.setGeneration(of: id, to: generation) }
}

extension Store: Tree {
    static var isLive: Bool { true }
    var serial: UInt64 { 0 }

    @inline(__always)
    func find(_ path: Path) -> NodeID { nodes.find(path) }

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
