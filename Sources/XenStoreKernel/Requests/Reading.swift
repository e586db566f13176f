// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// READ, DIRECTORY, DIRECTORY_PART, GET_PERMS.
final class Reading {
    private let arguments: Arguments
    private let access: NodeAccess
    private let permissions: PermissionTable
    private let scratch: Scratch
    private let schedule: Schedule
    private let recent = RecentLists()

    init(
        arguments: Arguments, access: NodeAccess, permissions: PermissionTable, scratch: Scratch, schedule: Schedule
    ) {
        self.arguments = arguments
        self.access = access
        self.permissions = permissions
        self.scratch = scratch
        self.schedule = schedule
    }

    /// READ takes no context, because it is by far the most frequent request, and has no effect.
    @inline(__always)
    func read<T: Tree>(_ payload: UnsafeRawBufferPointer, of session: Session, _ tree: T) throws(WireError) -> Answer {
        let path = try arguments.trustedPath(Arguments.onlyText(payload), of: session)
        let id = tree.find(path)
        if !id.exists {
            try arguments.check(path)
            throw access.missing(path, .read, session, tree)
        }
        let content = tree.content(of: id)
        if !access.isAllowed(content.permissions, .read, session) { throw .EACCES }
        return try Answer(content.value)
    }

    func directory<T: Tree>(_ request: RequestContext, _ tree: T) throws(WireError) -> Answer {
        let path = try arguments.onlyPath(request)
        let id = try access.require(path, .read, request.session, tree)
        let length = tree.childNamesLength(of: id, limit: Limits.payloadMax)
        if length > Limits.payloadMax { throw .E2BIG }
        if length < RecentLists.worthKeeping { return try names(of: id, tree) }
        let key = RecentLists.Key(node: id, generation: tree.content(of: id).generation, offset: nil)
        return try recentAnswer(key, tree) { () throws(WireError) in try names(of: id, tree) }
    }

    private func names<T: Tree>(of id: NodeID, _ tree: T) throws(WireError) -> Answer {
        var end = 0
        var child = tree.firstChild(of: id)
        while child.exists {
            end = scratch.write(name: tree.name(of: child), at: end)
            child = tree.nextSibling(of: child)
        }
        return try scratch.answer(end)
    }

    /// An answer that was given before, or else the one that `make` gives.
    private func recentAnswer<T: Tree>(
        _ key: RecentLists.Key, _ tree: T, _ make: () throws(WireError) -> Answer
    ) throws(WireError) -> Answer {
        if !T.isLive { return try make() }
        if let found = recent.find(key) { return try Answer(found) }
        let answer = try make()
        recent.keep(answer.payload, as: key)
        return answer
    }

    /// DIRECTORY_PART: the part of a long list of names that begins at a byte of it. The reply is the generation of the
    /// node, as many whole names as fit, and an empty name at the end of the list.
    func directoryPart<T: Tree>(_ request: RequestContext, _ tree: T) throws(WireError) -> Answer {
        guard let (text, rest) = request.payload.splitAtNul(),
            let (offsetText, tail) = rest.splitAtNul(), !tail.contains(0)
        else { throw .EINVAL }
        let path = try arguments.path(text, of: request.session)
        let id = try access.require(path, .read, request.session, tree)
        let offset = offsetText.leadingNumber.value
        let key = RecentLists.Key(node: id, generation: tree.content(of: id).generation, offset: offset)
        return try recentAnswer(key, tree) { () throws(WireError) in
            try part(of: id, from: offset, request.session, tree)
        }
    }

    private func part<T: Tree>(
        of id: NodeID, from offset: Int, _ session: Session, _ tree: T
    ) throws(WireError) -> Answer {
        let generation = tree.content(of: id).generation
        var end = scratch.bytes.writeDecimal(generation)
        scratch.bytes[end] = 0
        end += 1
        let room = Limits.payloadMax - 1
        var isAtEnd = true
        session.directory.open(id, generation: generation, in: tree.serial)
        let mark = session.directory.last(before: offset)
        var position = mark?.offset ?? 0
        var child = offset < 0 ? NodeID.none : mark?.child ?? tree.firstChild(of: id)
        var walked = 0
        defer { schedule.spend(walked / 2) }
        while child.exists {
            walked += 1
            session.directory.pass(child, at: position)
            let name = tree.name(of: child)
            let skipped = max(0, offset - position)
            position += name.count + 1
            if skipped <= name.count {
                let part = UnsafeRawBufferPointer(rebasing: name.dropFirst(skipped))
                if end + part.count + 1 > room {
                    isAtEnd = false
                    break
                }
                end = scratch.write(name: part, at: end)
            }
            child = tree.nextSibling(of: child)
        }
        if isAtEnd {
            scratch.bytes[end] = 0
            end += 1
        }
        return try scratch.answer(end)
    }

    func getPermissions<T: Tree>(_ request: RequestContext, _ tree: T) throws(WireError) -> Answer {
        let path = try arguments.onlyPath(request, specials: true)
        let id = try access.require(path, .read, request.session, tree)
        let list = permissions[tree.content(of: id).permissions]
        var end = 0
        for entry in list.entries {
            // The longest entry is `r65535` and a NUL.
            if end + 7 > scratch.bytes.count { throw .E2BIG }
            scratch.bytes[end] = entry.access.letter
            end += 1
            end += UnsafeMutableRawBufferPointer(rebasing: scratch.bytes[end...])
                .writeDecimal(UInt64(entry.domain.rawValue))
            scratch.bytes[end] = 0
            end += 1
        }
        return try scratch.answer(end)
    }
}
