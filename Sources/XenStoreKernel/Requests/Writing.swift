// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// WRITE, MKDIR, RM, SET_PERMS.
final class Writing {
    private let arguments: Arguments
    private let access: NodeAccess
    private let accounts: Accounts
    private let domains: Domains
    private let store: Store
    private let changes: Changes
    private let schedule: Schedule
    /// Whether each change becomes a record of storage, which is also work.
    private let areStored: Bool
    private let permissions: PermissionTable

    init(
        arguments: Arguments, access: NodeAccess, accounts: Accounts, domains: Domains, store: Store,
        changes: Changes, schedule: Schedule, areStored: Bool
    ) {
        self.arguments = arguments
        self.access = access
        self.accounts = accounts
        self.domains = domains
        self.store = store
        self.changes = changes
        self.schedule = schedule
        self.areStored = areStored
        permissions = store.permissions
    }

    func write<T: Tree>(
        _ payload: UnsafeRawBufferPointer, of session: Session, _ tree: T, _ cause: inout Cause
    ) throws(WireError) -> Answer {
        guard let (text, value) = payload.splitAtNul() else { throw .EINVAL }
        let path = try arguments.trustedPath(text, of: session)
        let id = tree.find(path)
        if id.exists {
            let content = tree.content(of: id)
            guard access.isAllowed(content.permissions, .write, session) else { throw .EACCES }
            try allowValue(value, growth: value.count - content.value.count, content.permissions, session)
            tree.setValue(of: id, to: value)
            if T.isLive { changes.announceChange(of: id, path, &cause) }
        } else {
            try arguments.check(path)
            try make(path, value, session, tree, &cause)
        }
        return .ok
    }

    func makeDirectory<T: Tree>(_ request: inout RequestContext, _ tree: T) throws(WireError) -> Answer {
        let path = try arguments.onlyPath(request)
        let id = tree.find(path)
        if id.exists {
            guard access.isAllowed(tree.content(of: id).permissions, .write, request.session) else { throw .EACCES }
        } else {
            try make(
                path, UnsafeRawBufferPointer(start: nil, count: 0), request.session, tree, &request.cause)
        }
        return .ok
    }

    /// Makes a node and its missing ancestors, or nothing at all (XSA-414, XSA-415).
    private func make<T: Tree>(
        _ path: Path, _ value: UnsafeRawBufferPointer, _ session: Session, _ tree: T, _ cause: inout Cause
    ) throws(WireError) {
        var (parent, depth) = tree.nearestAncestor(of: path)
        let inherited = tree.content(of: parent).permissions
        guard access.isAllowed(inherited, .write, session) else { throw .EACCES }
        try allowNodes(path.depth - depth, session, tree)
        try allowValue(value, growth: growth(of: path, from: depth, inherited) + value.count, inherited, session)

        schedule.spend((path.depth - depth) * Work.change)
        if areStored, path.depth > depth + 1 {
            schedule.spend(growth(of: path, from: depth, inherited) >> Work.recordShift)
        }
        let creator = session.isPrivileged ? nil : session.domain
        while depth < path.depth {
            depth += 1
            let list = permissions.retainInherited(
                from: tree.content(of: parent).permissions, creator: creator)
            let isLast = depth == path.depth
            parent = tree.create(
                path.prefix(depth), parent: parent, permissions: list,
                value: isLast ? value : UnsafeRawBufferPointer(start: nil, count: 0))
        }
        if T.isLive { changes.announceChange(of: parent, path, &cause) }
    }

    /// The bytes of memory that the nodes of `path` below `depth` levels will count.
    private func growth(of path: Path, from depth: Int, _ inherited: PermissionsID) -> Int {
        let node = 16 + 8 * permissions[inherited].entries.count
        return (depth + 1...path.depth).reduce(0) { $0 + node + path.prefix($1).bytes.count }
    }

    private func allowNodes<T: Tree>(_ more: Int, _ session: Session, _ tree: T) throws(WireError) {
        if session.isPrivileged { return }
        let drafted = (tree as? Draft)?.nodesByOwner[session.domain] ?? 0
        try accounts.allow(.nodes, amount: accounts.ledger[session.domain].nodes + drafted + more, session)
    }

    private func allowValue(
        _ value: UnsafeRawBufferPointer, growth: Int, _ list: PermissionsID, _ session: Session
    ) throws(WireError) {
        if session.isPrivileged { return }
        let size = 16 + 8 * permissions[list].entries.count + value.count
        try accounts.allow(.nodeSize, amount: size, session)
        if growth > 0 { try accounts.allowMemory(growth, session) }
    }

    func remove<T: Tree>(_ request: inout RequestContext, _ tree: T) throws(WireError) -> Answer {
        let path = try arguments.onlyPath(request)
        let session = request.session
        if path.depth == 0 { throw request.isPrivileged ? .EINVAL : .EACCES }
        let id = tree.find(path)
        guard id.exists else {
            let error = access.missing(path, .write, session, tree)
            guard error == .ENOENT, tree.find(path.parent).exists else { throw error }
            return .ok
        }
        guard access.isAllowed(tree.content(of: id).permissions, .write, session) else { throw .EACCES }
        if let draft = tree as? Draft {
            if !session.hasLimits, draft.canDetach(id) {
                draft.detach(id)
                return .ok
            }
            draft.touchSubtree(id)
            if draft.isExhausted { throw .ENOSPC }
            tree.forEachPostorder(from: id, tree.removeLeaf)
        } else if !changes.removeSubtree(path, id, &request.cause) {
            throw .EAGAIN
        }
        return .ok
    }

    func setPermissions<T: Tree>(_ request: inout RequestContext, _ tree: T) throws(WireError) -> Answer {
        guard let (text, rest) = request.payload.splitAtNul(), let last = rest.lastIndex(of: 0)
        else { throw .EINVAL }
        let session = request.session
        let entries = UnsafeRawBufferPointer(rebasing: rest[...last])
        let count = entries.reduce(into: 0) { $0 += $1 == 0 ? 1 : 0 }
        try accounts.allow(.nodePermissions, amount: count, session)
        let list = try parsePermissions(entries, session)

        let path = try arguments.path(text, of: session, specials: true)
        let id = try access.require(path, [.write, .owner], session, tree)
        let content = tree.content(of: id)
        if !request.isPrivileged, list.owner != permissions.owner(of: content.permissions) {
            throw .EPERM
        }
        try allowSize(of: list, content, session)
        let before = content.permissions
        permissions.retain(before)
        tree.setPermissions(of: id, to: permissions.retain(list))
        if T.isLive {
            var notice = ChangeNotice(ofChange: id, in: store)
            notice.before = Sight(node: before, parent: notice.now?.parent)
            changes.announce(path, notice, &request.cause)
        }
        permissions.release(before)
        return .ok
    }

    private func allowSize(of list: PermissionList, _ content: NodeContent, _ session: Session)
        throws(WireError)
    {
        if session.isPrivileged { return }
        try accounts.allow(.nodeSize, amount: 16 + 8 * list.entries.count + content.value.count, session)
    }

    /// An entry for a domain that does not exist is kept, but stale: a later domain with this number must not inherit
    /// it (XSA-417).
    private func parsePermissions(_ bytes: UnsafeRawBufferPointer, _ session: Session) throws(WireError)
        -> PermissionList
    {
        var entries: [Permission] = []
        var rest = bytes
        while let (text, next) = rest.splitAtNul() {
            guard var entry = Permission(wire: text) else { throw .EINVAL }
            if entry.domain == .any {
                if entries.isEmpty { throw .ENOMEM }
                entry.isStale = !session.features.contains(.anyDomain)
            } else if !domains.mayExist(entry.domain) {
                if entries.isEmpty { throw .ENOENT }
                entry.isStale = true
            }
            entries.append(entry)
            rest = next
        }
        return PermissionList(entries)
    }
}
