// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Changing the tree as it is now. Each change is one step of the generation, is counted in the
/// ledger, and keeps what open snapshots show.
extension Store {
    /// Adds a node at the end of `parent`'s children. There must be none at `path`. The list of
    /// permissions must have been retained for it.
    @discardableResult
    func create(_ path: Path, parent: NodeID, permissions list: PermissionsID, value: UnsafeRawBufferPointer) -> NodeID
    {
        advance()
        let name = path.name
        let id = allocate(
            name: name, value: value, hash: path.hash, pathLength: path.bytes.count, parent: parent,
            permissions: list, created: generation)
        touchChildren(of: parent, by: name.count + 1)
        append(id, to: parent)
        index.insert(id.number, hash: UInt32(truncatingIfNeeded: path.hash))
        count += 1
        charge(id, sign: 1)
        if snapshots.notesCreations { snapshots.noteCreation(of: id) }
        return id
    }

    /// Adds a special node, such as `@releaseDomain`, which is not in the tree.
    func createSpecial(_ name: StaticString, permissions list: PermissionList) {
        advance()
        let bytes = UnsafeRawBufferPointer(name)
        insertUnlinked(
            name: bytes, hash: hashing.child(bytes, of: hashing.special),
            permissions: permissions.retain(list))
    }

    func setValue(of id: NodeID, to value: UnsafeRawBufferPointer) {
        advance()
        keepVersion(of: id)
        let node = pointer(id)
        let grown = value.count - Int(node.pointee.valueLength)
        if grown != 0 { ledger.adjustMemory(of: owner(of: id), by: grown) }
        replaceValue(of: node, by: value)
        node.pointee.generation = generation
    }

    /// `list` must have been retained for the node.
    func setPermissions(of id: NodeID, to list: PermissionsID) {
        advance()
        keepVersion(of: id)
        charge(id, sign: -1)
        let node = pointer(id)
        permissions.release(node.pointee.permissions)
        node.pointee.permissions = list
        node.pointee.generation = generation
        charge(id, sign: 1)
    }

    /// Removes a node that has no children any more.
    func removeLeaf(_ id: NodeID) {
        advance()
        let node = pointer(id)
        let parent = node.pointee.parent
        charge(id, sign: -1)
        touchChildren(of: parent, by: -(Int(node.pointee.nameLength) + 1))
        node.pointee.removed = generation
        count -= 1
        // Its versions stay: whoever looks back sees them.
        if node.pointee.created <= snapshots.newest {
            snapshots.keep(
                .node(id), bytes: footprint(of: node.pointee), permissions: permissions[node.pointee.permissions])
        } else {
            free(id)
        }
    }
}
