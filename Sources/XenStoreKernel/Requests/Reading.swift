// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// READ, DIRECTORY, DIRECTORY_PART, GET_PERMS.
extension Machine {
    /// The path of a request whose payload is one path and its NUL, and nothing else.
    @inline(__always)
    func onlyPath(_ request: Request, specials: Bool = false) throws(WireError) -> Path {
        let text = try onlyText(request)
        return try scanner.scan(
            text, home: request.session.domain, specials: specials,
            quota: accounts.pathQuota(request.session))
    }

    /// The payload without its NUL, which must be its last byte and its only one.
    @inline(__always)
    func onlyText(_ request: Request) throws(WireError) -> UnsafeRawBufferPointer {
        let payload = request.payload
        let length = payload.count &- 1
        guard length >= 0, payload[length] == 0 else { throw .EINVAL }
        // Those who read the text find a second NUL: neither paths nor numbers hold one.
        return UnsafeRawBufferPointer(rebasing: payload[..<length])
    }

    @inline(__always)
    func read<T: Tree>(_ request: Request, _ tree: T) throws(WireError) -> Answer {
        let path = try onlyPath(request)
        let id = try require(path, .read, request.session, tree)
        return try reply(tree.content(of: id).value)
    }

    func directory<T: Tree>(_ request: Request, _ tree: T) throws(WireError) -> Answer {
        let path = try onlyPath(request)
        let id = try require(path, .read, request.session, tree)
        if tree.childNamesLength(of: id, limit: Limits.payloadMax) > Limits.payloadMax { throw .E2BIG }
        var end = 0
        var child = tree.firstChild(of: id)
        while child.exists {
            end = writeName(tree.name(of: child), at: end)
            child = tree.nextSibling(of: child)
        }
        return try reply(scratch: end)
    }

    /// Writes a name and its NUL to the scratch buffer and returns where it ends.
    @inline(__always)
    private func writeName(_ name: UnsafeRawBufferPointer, at start: Int) -> Int {
        guard let base = scratch.baseAddress else { return start }
        (base + start).copyMemory(from: name)
        base.storeBytes(of: 0, toByteOffset: start + name.count, as: UInt8.self)
        return start + name.count + 1
    }

    /// The part of a long directory that begins at a byte of the list of names: the generation of
    /// the node, whole names while they fit, and an empty one at the end of the list.
    mutating func directoryPart<T: Tree>(_ request: Request, _ tree: T) throws(WireError) -> Answer {
        guard let (text, rest) = request.payload.splitAtNul(),
            let (offsetText, tail) = rest.splitAtNul(), !tail.contains(0)
        else { throw .EINVAL }
        let path = try scanner.scan(
            text, home: request.session.domain, quota: accounts.pathQuota(request.session))
        let id = try require(path, .read, request.session, tree)
        let offset = offsetText.leadingNumber.value
        let session = request.session
        let generation = tree.content(of: id).generation
        var end = scratch.writeDecimal(generation)
        scratch[end] = 0
        end += 1
        let room = Limits.payloadMax - 1
        var isAtEnd = true
        session.directory.open(id, generation: generation, in: tree.serial)
        let mark = session.directory.last(before: offset)
        var position = mark?.offset ?? 0
        var child = offset < 0 ? NodeID.none : mark?.child ?? tree.firstChild(of: id)
        var walked = 0
        defer { spend(walked / 2) }
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
                end = writeName(part, at: end)
            }
            child = tree.nextSibling(of: child)
        }
        if isAtEnd {
            scratch[end] = 0
            end += 1
        }
        return try reply(scratch: end)
    }

    func getPermissions<T: Tree>(_ request: Request, _ tree: T) throws(WireError) -> Answer {
        let path = try onlyPath(request, specials: true)
        let id = try require(path, .read, request.session, tree)
        let list = store.permissions[tree.content(of: id).permissions]
        var end = 0
        for entry in list.entries {
            // The longest entry is `r65535` and a NUL.
            if end + 7 > scratch.count { throw .E2BIG }
            scratch[end] = entry.access.letter
            end += 1
            end += UnsafeMutableRawBufferPointer(rebasing: scratch[end...])
                .writeDecimal(UInt64(entry.domain.rawValue))
            scratch[end] = 0
            end += 1
        }
        return try reply(scratch: end)
    }
}
