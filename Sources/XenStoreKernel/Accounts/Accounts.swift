// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// What every client holds, and how much it may hold. A guest's things count to its domain, those of a client with its
/// own limits to its session, and all others to dom0, which has no limits.
///
/// Only this type asks the policies. It never asks them about dom0.
final class Accounts {
    let ledger = Ledger()
    /// The policy with limits that can be read and set, if there is one.
    let limits: (any LimitTable)?
    private let policies: [any Policy]
    private let log: (LogLevel, String) -> Void
    /// What still counts to a domain, though it was removed with an ancestor; nil if there is nothing.
    private var detachedUsage: (DomainID) -> Usage? = { _ in nil }
    private var complaints = Complaints()
    /// The readers whose snapshots pin more than at the last check.
    private(set) var overdrawn: [TransactionReader] = []

    init(policies: [any Policy], log: @escaping (LogLevel, String) -> Void) {
        self.policies = policies
        self.log = log
        limits = policies.lazy.compactMap { $0 as? any LimitTable }.first
    }

    // MARK: Counting

    /// Large removed subtrees count to their owners until they are freed. `detached` finds out how much of a domain's
    /// usage that is.
    func find(detached: @escaping (DomainID) -> Usage?) { detachedUsage = detached }

    /// What a domain holds, without what was removed and is not freed yet.
    func usage(of domain: DomainID) -> Usage {
        var usage = ledger[domain]
        guard let detached = detachedUsage(domain) else { return usage }
        usage.nodes -= detached.nodes
        usage.memory -= detached.memory
        return usage
    }

    func held(by session: Session) -> Usage {
        guard session.peer.limits != nil else { return ledger[session.domain] }
        var usage = session.own
        usage.memory += session.unsentCount
        return usage
    }

    func adjustMemory(of session: Session, by bytes: Int) {
        if session.peer.limits != nil {
            session.own.memory += bytes
        } else {
            ledger.adjustMemory(of: session.domain, by: bytes)
        }
    }

    func adjustWatches(of session: Session, by count: Int, bytes: Int) {
        if session.peer.limits != nil {
            session.own.watches += count
            session.own.memory += bytes
        } else {
            ledger.adjustWatches(of: session.domain, by: count, bytes: bytes)
        }
    }

    func adjustTransactions(of session: Session, by count: Int) {
        if session.peer.limits != nil {
            session.own.transactions += count
        } else {
            ledger.adjustTransactions(of: session.domain, by: count)
        }
    }

    /// Counts the bytes of requests that are not handled yet.
    @inline(__always)
    func settleInbox(of session: Session) {
        if session.inbox.footprint != session.chargedInbox { chargeInbox(of: session) }
    }

    private func chargeInbox(of session: Session) {
        if !session.hasLimits { return }
        let growth = session.inbox.footprint - session.chargedInbox
        session.chargedInbox += growth
        adjustMemory(of: session, by: growth)
    }

    /// Counts the bytes that the transaction holds to its client.
    func settleCharge(of transaction: Transaction, _ session: Session) {
        let growth = transaction.memory - transaction.charged
        transaction.charged += growth
        adjustMemory(of: session, by: growth)
    }

    /// Counts messages off that are no longer on their way to a client.
    func release(_ settled: Delivery.Settled, of session: Session) {
        if settled.isEmpty || session.isPrivileged { return }
        if settled.replies > 0 { ledger.adjustOutstanding(of: session.domain, by: -settled.replies) }
        if settled.replyBytes > 0 { ledger.adjustMemory(of: session.domain, by: -settled.replyBytes) }
        if settled.eventBytes > 0 { ledger.adjustEvents(of: session.domain, by: -settled.eventBytes) }
    }

    // MARK: Judging

    /// Whether the client may touch a node with these permissions in this way.
    @inline(__always)
    func mayAccess(_ permissions: borrowing PermissionList, _ access: Access, _ session: Session) -> Bool {
        session.isPrivileged || policiesAllow(permissions, access, session)
    }

    private func policiesAllow(_ permissions: borrowing PermissionList, _ access: Access, _ session: Session) -> Bool {
        let client = session.client
        for policy in policies where !policy.mayAccess(permissions, access, as: client) { return false }
        return true
    }

    /// The error with which a policy refuses this amount; nil if none does.
    @inline(__always)
    func refusal(of resource: Resource, amount: Int, _ session: Session) -> WireError? {
        if let limits = session.peer.limits { return limits.refusal(of: resource, amount: amount) }
        if session.isPrivileged { return nil }
        guard let error = refusal(of: resource, amount: amount, by: session.domain) else { return nil }
        return refusal(error, of: resource, amount: amount, by: session.domain)
    }

    private func refusal(of resource: Resource, amount: Int, by domain: DomainID) -> WireError? {
        for policy in policies {
            if let error = policy.refusal(of: resource, amount: amount, for: domain) { return error }
        }
        return nil
    }

    /// Judges again, if a part of the amount was removed and is not freed yet.
    private func refusal(_ error: WireError, of resource: Resource, amount: Int, by domain: DomainID) -> WireError? {
        let gone =
            switch resource {
            case .nodes: detachedUsage(domain)?.nodes ?? 0
            case .memory, .softMemory: detachedUsage(domain)?.memory ?? 0
            default: 0
            }
        return gone == 0 ? error : refusal(of: resource, amount: amount - gone, by: domain)
    }

    func allow(_ resource: Resource, amount: Int, _ session: Session) throws(WireError) {
        if let error = refusal(of: resource, amount: amount, session) {
            warn(of: resource, session)
            throw error
        }
    }

    /// Throws if the client may not hold `more` bytes more. The log warns before that, at the soft limit.
    func allowMemory(_ more: Int, _ session: Session) throws(WireError) {
        if !session.hasLimits { return }
        let memory = held(by: session).memory + more
        try allow(.memory, amount: memory, session)
        if refusal(of: .softMemory, amount: memory, session) != nil { warn(of: .softMemory, session) }
    }

    /// The limit of the client, 0 if it has none.
    func limit(of resource: Resource, _ session: Session) -> Int {
        if let limits = session.peer.limits { return limits.limit(of: resource) }
        if session.isPrivileged { return 0 }
        return Int(limits?.limit(of: resource, for: session.domain) ?? 0)
    }

    /// The bound on the length of this client's paths, beside the protocol's own; 0 if there is none.
    @inline(__always)
    func pathQuota(_ session: Session) -> Int {
        session.isPrivileged ? 0 : Int(limits?.limit(of: .pathMax, for: session.domain) ?? 0)
    }

    // MARK: Complaining

    /// The monotonic clock as of the last turn.
    var now: Moment { complaints.now }

    func setClock(to now: Moment) { complaints.now = now }

    /// Whether the log may complain about this again: a guest must not be able to fill the log.
    func mayComplain(of domain: DomainID, _ matter: Complaint) -> Bool { complaints.isDue(domain, matter) }

    /// Warns once in a while that a client has reached a limit. The guest only gets an error, and without this line the
    /// operator has no clue.
    func warn(of resource: Resource, _ session: Session) {
        guard mayComplain(of: session.domain, .limit(resource)) else { return }
        let limit = limit(of: resource, session)
        let bound = limit > 0 ? ", which is \(limit)" : ""
        let who = session.peer.limits != nil ? "\(session.name):" : "domain \(session.domain.rawValue)"
        log(.warning, "\(who) has come to its limit of \(resource.name)\(bound)")
    }

    // MARK: What snapshots pin

    /// A transaction's snapshot pins more bytes that its client may read. Called in the middle of a change. Whether
    /// they are too many is checked after the change.
    func pinned(_ bytes: Int, by reader: TransactionReader) {
        adjustMemory(of: reader.session, by: bytes)
        if reader.isListed { return }
        reader.isListed = true
        overdrawn.append(reader)
    }

    @inline(__always)
    var hasOverdrawn: Bool { !overdrawn.isEmpty }

    /// Takes the readers whose snapshots pin more than at the last check.
    func takeOverdrawn() -> [TransactionReader] {
        let readers = overdrawn
        overdrawn.removeAll(keepingCapacity: true)
        for reader in readers { reader.isListed = false }
        return readers
    }

    /// Removes the readers of a session that is gone.
    func forgetOverdrawn(_ session: Session) { overdrawn.removeAll { $0.session === session } }
}
