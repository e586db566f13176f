// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Decides whether a client may access a node, and which error it gets if not.
final class NodeAccess {
    private let permissions: PermissionTable
    private let accounts: Accounts

    init(permissions: PermissionTable, accounts: Accounts) {
        self.permissions = permissions
        self.accounts = accounts
    }

    @inline(__always)
    func isAllowed(_ list: PermissionsID, _ access: Access, _ session: Session) -> Bool {
        session.isPrivileged || accounts.mayAccess(permissions[list], access, session)
    }

    /// The node at `path`, if the session has this access to it.
    ///
    /// A client that may not read the directory gets EACCES and not ENOENT. So a guest learns nothing about others'
    /// nodes.
    @inline(__always)
    func require<T: Tree>(_ path: Path, _ access: Access, _ session: Session, _ tree: T)
        throws(WireError) -> NodeID
    {
        let id = tree.find(path)
        if id.exists {
            if isAllowed(tree.content(of: id).permissions, access, session) { return id }
            throw .EACCES
        }
        throw missing(path, access, session, tree)
    }

    /// The error for a node that does not exist: ENOENT if the nearest ancestor grants any of the wanted access, else
    /// EACCES.
    func missing<T: Tree>(_ path: Path, _ access: Access, _ session: Session, _ tree: T) -> WireError {
        if session.isPrivileged { return .ENOENT }
        if path.isSpecial { return .EACCES }
        if path.depth == 0 { return .ENOENT }
        let nearest = tree.content(of: tree.nearestAncestor(of: path).node).permissions
        for bit in [Access.read, .write, .owner] where access.contains(bit) {
            if isAllowed(nearest, bit, session) { return .ENOENT }
        }
        return .EACCES
    }
}
