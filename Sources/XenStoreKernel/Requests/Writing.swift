// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// WRITE, MKDIR, RM, SET_PERMS.
extension Machine {
    mutating func write<T: Tree>(
        _ request: Request, _ tree: T, _ cause: inout Cause
    ) throws(WireError) -> Answer {
        guard let (text, value) = request.payload.splitAtNul() else { throw .EINVAL }
        let session = request.session
        let path = try scanner.scan(text, home: session.domain, quota: accounts.pathQuota(session))
        let id = tree.find(path)
        if id.exists {
            let content = tree.content(of: id)
            guard mayAccess(content.permissions, .write, session) else { throw .EACCES }
            try allowValue(value, growth: value.count - content.value.count, content.permissions, session)
            tree.setValue(of: id, to: value)
            if T.isLive { announce(path, noticeOfChange(of: id), &cause) }
        } else {
            try make(path, value, request, tree, &cause)
        }
        return .ok
    }

    mutating func makeDirectory<T: Tree>(
        _ request: Request, _ tree: T, _ cause: inout Cause
    ) throws(WireError) -> Answer {
        let path = try onlyPath(request)
        let id = tree.find(path)
        if id.exists {
            guard mayAccess(tree.content(of: id).permissions, .write, request.session) else { throw .EACCES }
        } else {
            try make(path, UnsafeRawBufferPointer(start: nil, count: 0), request, tree, &cause)
        }
        return .ok
    }

    /// Makes a node and the ancestors it lacks, or nothing at all (XSA-414, XSA-415).
    private mutating func make<T: Tree>(
        _ path: Path, _ value: UnsafeRawBufferPointer, _ request: Request, _ tree: T, _ cause: inout Cause
    ) throws(WireError) {
        let session = request.session
        var (parent, depth) = tree.nearestAncestor(of: path)
        let inherited = tree.content(of: parent).permissions
        guard mayAccess(inherited, .write, session) else { throw .EACCES }
        try allowNodes(path.depth - depth, session, tree)
        try allowValue(value, growth: growth(of: path, from: depth, inherited) + value.count, inherited, session)

        spend((path.depth - depth) * Work.change)
        if keepsBatches, path.depth > depth + 1 {
            spend(growth(of: path, from: depth, inherited) >> Work.recordShift)
        }
        let creator = request.isPrivileged ? nil : session.domain
        while depth < path.depth {
            depth += 1
            let list = store.permissions.retainInherited(
                from: tree.content(of: parent).permissions, creator: creator)
            let isLast = depth == path.depth
            parent = tree.create(
                path.prefix(depth), parent: parent, permissions: list,
                value: isLast ? value : UnsafeRawBufferPointer(start: nil, count: 0))
        }
        if T.isLive { announce(path, noticeOfChange(of: parent), &cause) }
    }

    /// What the nodes of `path` that are more than `depth` levels deep will count to memory.
    private func growth(of path: Path, from depth: Int, _ inherited: PermissionsID) -> Int {
        let node = 16 + 8 * store.permissions[inherited].entries.count
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
        let size = 16 + 8 * store.permissions[list].entries.count + value.count
        try accounts.allow(.nodeSize, amount: size, session)
        if growth > 0 { try accounts.allowMemory(growth, session) }
    }

    mutating func remove<T: Tree>(
        _ request: Request, _ tree: T, _ cause: inout Cause
    ) throws(WireError) -> Answer {
        let path = try onlyPath(request)
        let session = request.session
        if path.depth == 0 { throw request.isPrivileged ? .EINVAL : .EACCES }
        let id = tree.find(path)
        guard id.exists else {
            let error = missing(path, .write, session, tree)
            guard error == .ENOENT, tree.find(path.parent).exists else { throw error }
            return .ok
        }
        guard mayAccess(tree.content(of: id).permissions, .write, session) else { throw .EACCES }
        if let draft = tree as? Draft {
            draft.noteSubtree(id)
            if draft.isExhausted { throw .ENOSPC }
            tree.forEachPostorder(from: id, tree.removeLeaf)
        } else if !removeLive(path, id, mustTell: !watches.isEmpty, &cause) {
            throw .EAGAIN
        }
        return .ok
    }

    /// Removes a node and all below it. Watches set on what goes away with it are told first, each
    /// of exactly its node, then those on the node itself and further up. False if a transaction that is being
    /// committed has not paid for that much; then some of it is left, to be undone.
    @discardableResult
    mutating func removeLive(_ path: Path, _ top: NodeID, mustTell: Bool, _ cause: inout Cause) -> Bool {
        var isAffordable = true
        store.forEachPostorder(from: top) { id in
            if let replay = cause.replay, isAffordable { isAffordable = replay.spendRemoval() }
            if !isAffordable { return }
            spend(Work.change)
            if keepsBatches { spend(Int(store.pointer(id).pointee.pathLength) >> Work.recordShift) }
            let hash = store.pointer(id).pointee.hash
            let isTold = mustTell && (id == top || watches.contains(hash: hash))
            guard isTold else { return store.removeLeaf(id) }
            let bytes = id == top ? [] : store.path(of: id)
            let notice = noticeOfRemoval(of: id, isExact: id != top)
            // The list must outlive the node: it says who may know.
            let list = store.pointer(id).pointee.permissions
            store.permissions.retain(list)
            store.removeLeaf(id)
            if id == top { announce(path, notice, &cause) } else { announceExact(bytes, hash, notice, &cause) }
            store.permissions.release(list)
        }
        return isAffordable
    }

    mutating func setPermissions<T: Tree>(
        _ request: Request, _ tree: T, _ cause: inout Cause
    ) throws(WireError) -> Answer {
        guard let (text, rest) = request.payload.splitAtNul(), let last = rest.lastIndex(of: 0)
        else { throw .EINVAL }
        let session = request.session
        let entries = UnsafeRawBufferPointer(rebasing: rest[...last])
        let count = entries.reduce(into: 0) { $0 += $1 == 0 ? 1 : 0 }
        try accounts.allow(.nodePermissions, amount: count, session)
        let list = try parsePermissions(entries, session)

        let path = try scanner.scan(text, home: session.domain, specials: true, quota: accounts.pathQuota(session))
        let id = try require(path, [.write, .owner], session, tree)
        let content = tree.content(of: id)
        if !request.isPrivileged, list.owner != store.permissions.owner(of: content.permissions) {
            throw .EPERM
        }
        try allowSize(of: list, content, session)
        let before = content.permissions
        store.permissions.retain(before)
        tree.setPermissions(of: id, to: store.permissions.retain(list))
        if T.isLive {
            var notice = noticeOfChange(of: id)
            notice.before = Sight(node: before, parent: notice.now?.parent)
            announce(path, notice, &cause)
        }
        store.permissions.release(before)
        return .ok
    }

    private func allowSize(of list: PermissionList, _ content: NodeContent, _ session: Session)
        throws(WireError)
    {
        if session.isPrivileged { return }
        try accounts.allow(.nodeSize, amount: 16 + 8 * list.entries.count + content.value.count, session)
    }

    /// Entries that name a domain which is not there are kept, but stale: a domain that comes later
    /// under that number must not inherit them (XSA-417).
    private func parsePermissions(_ bytes: UnsafeRawBufferPointer, _ session: Session) throws(WireError)
        -> PermissionList
    {
        var entries: [Permission] = []
        var rest = bytes
        while let (text, behind) = rest.splitAtNul() {
            guard var entry = Permission(wire: text) else { throw .EINVAL }
            if entry.domain == .any {
                if entries.isEmpty { throw .ENOMEM }
                entry.isStale = !session.features.contains(.anyDomain)
            } else if !mayExist(entry.domain) {
                if entries.isEmpty { throw .ENOENT }
                entry.isStale = true
            }
            entries.append(entry)
            rest = behind
        }
        return PermissionList(entries)
    }

    // MARK: Telling

    /// Tells of a change now, or with the others of the transaction that is being committed.
    mutating func announce(_ path: Path, _ notice: ChangeNotice, _ cause: inout Cause) {
        if let replay = cause.replay {
            replay.note(path.bytes, hash: path.hash, isExact: notice.isExact)
        } else {
            notify(path, notice, &cause)
        }
    }

    /// The same for a node that goes away with an ancestor: only watches on the very node are told.
    private mutating func announceExact(
        _ path: [UInt8], _ hash: UInt64, _ notice: ChangeNotice, _ cause: inout Cause
    ) {
        spend(path.count >> Work.longPathShift)
        path.withUnsafeBytes { bytes in
            if let replay = cause.replay { return replay.note(bytes, hash: hash, isExact: true) }
            matches.removeAll(keepingCapacity: true)
            collect(hash, notice) { $0.isOn(bytes) && $0.reaches(0) }
            if matches.count > 1 { matches.sort { $0.serial < $1.serial } }
            deliver(bytes, &cause)
        }
    }

    func noticeOfChange(of id: NodeID) -> ChangeNotice {
        ChangeNotice(isExact: false, before: nil, now: sight(of: id))
    }

    func noticeOfRemoval(of id: NodeID, isExact: Bool) -> ChangeNotice {
        ChangeNotice(isExact: isExact, before: sight(of: id), now: nil)
    }

    private func sight(of id: NodeID) -> Sight {
        let node = store.pointer(id).pointee
        return Sight(
            node: node.permissions,
            parent: node.parent.exists ? store.pointer(node.parent).pointee.permissions : nil)
    }
}
