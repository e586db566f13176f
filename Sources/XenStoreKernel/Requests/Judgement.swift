// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

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
        if session.peer.isPrivileged { return nil }
        for policy in policies {
            if let error = policy.refusal(of: resource, amount: amount, for: session.domain) { return error }
        }
        return nil
    }

    func allow(_ resource: Resource, amount: Int, _ session: Session) throws(WireError) {
        if let error = refusal(of: resource, amount: amount, session) {
            warn(of: resource, session.domain)
            throw error
        }
    }

    /// Whether the session's domain may hold so many more bytes; its operator is told before it may
    /// not any more.
    func allowMemory(_ more: Int, _ session: Session) throws(WireError) {
        if session.peer.isPrivileged { return }
        let memory = ledger[session.domain].memory + more
        try allow(.memory, amount: memory, session)
        if refusal(of: .softMemory, amount: memory, session) != nil { warn(of: .softMemory, session.domain) }
    }

    /// Says once in a while that a domain has come to a limit: the guest sees but an error, and the
    /// operator would look for hours.
    private func warn(of resource: Resource, _ domain: DomainID) {
        guard mayComplain(of: domain, matter: resource.rawValue) else { return }
        let limit = limits.map { ", which is \($0.limit(of: resource, for: domain))" } ?? ""
        log(.warning, "domain \(domain.rawValue) has come to its limit of \(resource.name)\(limit)")
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
    func pathQuota(_ session: Session) -> Int {
        if session.peer.isPrivileged { return 0 }
        return Int(limits?.limit(of: .pathMax, for: session.domain) ?? 0)
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

    // MARK: Back-pressure

    /// Counts bytes that wait to be sent to the memory of the session's domain.
    @inline(__always)
    func charge(_ session: Session, bytes: Int) {
        if !session.peer.isPrivileged { ledger.adjustMemory(of: session.domain, by: bytes) }
    }

    /// Whether the session gets no more events: an unprivileged one that is out of memory loses
    /// them; a client of dom0 that has not read for long is given up, so that it knows.
    func refusesEvents(_ session: Session, bytes: Int) -> Bool {
        if !session.peer.isPrivileged {
            let memory = ledger[session.domain].memory + bytes
            guard refusal(of: .memory, amount: memory, session) != nil else { return false }
            warn(of: .memory, session.domain)
            return true
        }
        if session.outbox.count + bytes <= Kernel.unsentLimit { return false }
        log(.warning, "\(session.name): does not read its events, \(session.outbox.count) bytes wait; closing")
        session.isEnding = true
        session.endReason = .peerNotReading
        touch(session)
        return true
    }

    /// What keeps the current request outstanding until an event has reached `receiver`. Only
    /// unprivileged domains can hold each other up: dom0 reads at its own pace.
    func outstandingRequest(for receiver: Session) -> OutstandingRequest? {
        guard let requester, !receiver.peer.isPrivileged else { return nil }
        let request = outstanding ?? OutstandingRequest(of: requester, ledger: ledger)
        outstanding = request
        request.addOne()
        return request
    }

    /// How long an event waits for an unprivileged domain to take it, in milliseconds.
    static let eventTimeout: UInt64 = 20_000

    /// Remembers that events of this session have to be dropped if they do not get out.
    func awaitDeadlines(of session: Session) {
        if session.delivery.isEmpty || session.peer.isPrivileged { return }
        session.delivery.setDeadlines(now.advanced(byMilliseconds: Kernel.eventTimeout))
        if session.isWaiting { return }
        session.isWaiting = true
        waiting.append(session)
    }

    /// Drops the events whose time is over and says when to look again.
    func expireEvents() -> Moment? {
        var next: Moment?
        waiting.removeAll { session in
            let sent = session.outbox.sentPosition
            let gone = session.delivery.takeExpired(at: now, sent: sent)
            if !gone.isEmpty {
                let length = session.outbox.remove(gone)
                session.turnStart = session.outbox.position
                charge(session, bytes: -length)
                unsentChanged(of: session)
                reconsider(session)
            }
            let deadline = session.isOpen ? session.delivery.nextDeadline(sent: sent) : nil
            if let deadline { next = min(next ?? deadline, deadline) }
            session.isWaiting = deadline != nil
            return deadline == nil
        }
        return next
    }
}
