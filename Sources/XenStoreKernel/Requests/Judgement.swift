// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What is complained of beside resources, as ``Kernel/mayComplain(of:matter:)`` tells matters apart.
enum Complaint {
    static let brokenProtocol: UInt8 = 255
    static let transactionGivenUp: UInt8 = 254
    static let eventsDropped: UInt8 = 253
}

/// Asking the policies.
extension Kernel {
    /// Whether the session may touch a node with these permissions in this way.
    @inline(__always)
    func mayAccess(_ list: PermissionsID, _ access: Access, _ session: Session) -> Bool {
        session.peer.isPrivileged || policiesAllow(list, access, session)
    }

    private func policiesAllow(_ list: PermissionsID, _ access: Access, _ session: Session) -> Bool {
        let client = session.client
        let permissions = store.permissions[list]
        for policy in policies where !policy.mayAccess(permissions, access, as: client) { return false }
        return true
    }

    /// The error with which some policy refuses that the session's domain holds so much. Privileged
    /// sessions are not asked about.
    @inline(__always)
    func refusal(of resource: Resource, amount: Int, _ session: Session) -> WireError? {
        if let limits = session.peer.limits { return limits.refusal(of: resource, amount: amount) }
        if session.peer.isPrivileged { return nil }
        for policy in policies {
            if let error = policy.refusal(of: resource, amount: amount, for: session.domain) { return error }
        }
        return nil
    }

    func allow(_ resource: Resource, amount: Int, _ session: Session) throws(WireError) {
        if let error = refusal(of: resource, amount: amount, session) {
            warn(of: resource, session)
            throw error
        }
    }

    /// The limit of the session's client, 0 if it has none.
    func limit(of resource: Resource, _ session: Session) -> Int {
        if let limits = session.peer.limits { return limits.limit(of: resource) }
        if session.peer.isPrivileged { return 0 }
        return Int(limits?.limit(of: resource, for: session.domain) ?? 0)
    }

    /// Whether the session's domain may hold so many more bytes; its operator is told before it may
    /// not any more.
    func allowMemory(_ more: Int, _ session: Session) throws(WireError) {
        if !session.hasLimits { return }
        let memory = held(by: session).memory + more
        try allow(.memory, amount: memory, session)
        if refusal(of: .softMemory, amount: memory, session) != nil { warn(of: .softMemory, session) }
    }

    /// Says once in a while that a client has come to a limit: the guest only gets an error, and without this
    /// line the operator has no clue.
    func warn(of resource: Resource, _ session: Session) {
        guard mayComplain(of: session.domain, matter: resource.rawValue) else { return }
        let limit = limit(of: resource, session)
        let bound = limit > 0 ? ", which is \(limit)" : ""
        if session.peer.limits != nil {
            log(.warning, "\(session.name): has come to its limit of \(resource.name)\(bound)")
        } else {
            log(.warning, "domain \(session.domain.rawValue) has come to its limit of \(resource.name)\(bound)")
        }
    }

    /// Whether it is time to complain of this again: a guest must not be able to fill the log.
    func mayComplain(of domain: DomainID, matter: UInt8) -> Bool {
        let key = UInt32(domain.rawValue) << 8 | UInt32(matter)
        if let last = warnings[key], now < last.advanced(byMilliseconds: Kernel.complaintInterval) { return false }
        // Guests come and go; what was said of those long gone need not be remembered.
        if warnings.count > 4096 { warnings = [:] }
        warnings[key] = now
        return true
    }

    /// One matter of one domain is not complained of more often than this, in milliseconds.
    private static let complaintInterval: UInt64 = 10_000

    /// The bound on a path of this session on top of the protocol's own, 0 if there is none.
    @inline(__always)
    func pathQuota(_ session: Session) -> Int {
        session.peer.isPrivileged ? 0 : Int(limits?.limit(of: .pathMax, for: session.domain) ?? 0)
    }

    /// The node at `path`, if the session may access it so.
    ///
    /// Who may not even see the directory gets EACCES rather than ENOENT, so that probing tells a
    /// guest nothing of others' nodes.
    @inline(__always)
    func require<T: Tree>(_ path: Path, _ access: Access, _ session: Session, _ tree: T)
        throws(WireError) -> NodeID
    {
        let id = tree.find(path)
        if id.exists {
            if mayAccess(tree.content(of: id).permissions, access, session) { return id }
            throw .EACCES
        }
        throw missing(path, access, session, tree)
    }

    /// What to say of a node that is not there: ENOENT if the nearest ancestor grants any of the
    /// wanted access, else EACCES.
    func missing<T: Tree>(_ path: Path, _ access: Access, _ session: Session, _ tree: T) -> WireError {
        if session.peer.isPrivileged { return .ENOENT }
        if path.isSpecial { return .EACCES }
        if path.depth == 0 { return .ENOENT }
        let nearest = tree.content(of: tree.nearestAncestor(of: path).node).permissions
        for bit in [Access.read, .write, .owner] where access.contains(bit) {
            if mayAccess(nearest, bit, session) { return .ENOENT }
        }
        return .EACCES
    }
}
