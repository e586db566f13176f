// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// GET_QUOTA and SET_QUOTA.
final class QuotaRequests {
    private let accounts: Accounts
    private let domains: Domains
    private let quotas: RuntimeLimits
    private let scratch: Scratch

    init(accounts: Accounts, domains: Domains, quotas: RuntimeLimits, scratch: Scratch) {
        self.accounts = accounts
        self.domains = domains
        self.quotas = quotas
        self.scratch = scratch
    }

    func get(_ request: RequestContext) throws(WireError) -> Answer {
        let strings = try Arguments.strings(request, 0...2)
        guard let limits = accounts.limits else { throw .ENOSYS }
        guard let name = strings.last else {
            return try scratch.answer(text: Resource.allCases.map { "\($0.name)" }.joined(separator: " "))
        }
        guard let resource = Resource(wireName: name) else { throw .EINVAL }
        let domain = strings.count == 2 ? try knownDomain(strings[0]) : nil
        return try scratch.answer(text: "\(limits.limit(of: resource, for: domain))")
    }

    func set(_ request: RequestContext) throws(WireError) -> Answer {
        let strings = try Arguments.strings(request, 2...3)
        guard let limits = accounts.limits else { throw .ENOSYS }
        guard let resource = Resource(wireName: strings[strings.count - 2]) else { throw .EINVAL }
        let (value, _) = strings[strings.count - 1].leadingNumber
        // The largest number means "not set" in Xen's own interface.
        guard let limit = UInt32(exactly: value), limit != .max else { throw .EINVAL }
        let domain = strings.count == 3 ? try knownDomain(strings[0]) : nil
        quotas.set(limit, of: resource, for: domain, by: limits)
        return .ok
    }

    /// A domain that the kernel knows, or ENOENT.
    private func knownDomain(_ text: UnsafeRawBufferPointer) throws(WireError) -> DomainID {
        let id = try Arguments.domainID(text)
        domains.refresh(id)
        if domains.known(id) == nil { throw .ENOENT }
        return id
    }
}

/// Changes limits at run time: notes them for the next daemon, and unblocks sessions that a limit has blocked.
final class RuntimeLimits {
    private let accounts: Accounts
    private let notes: Notes
    private let sessions: Sessions
    private let unsent: Unsent
    private let flow: FlowControl

    init(accounts: Accounts, notes: Notes, sessions: Sessions, unsent: Unsent, flow: FlowControl) {
        self.accounts = accounts
        self.notes = notes
        self.sessions = sessions
        self.unsent = unsent
        self.flow = flow
    }

    func set(_ limit: UInt32, of resource: Resource, for domain: DomainID?, by limits: any LimitTable) {
        notes.keep(.limit(limits.setLimit(limit, of: resource, for: domain)))
        reconsiderBlocked()
    }

    /// Policies have taken a changed configuration. Storage forgets the limits that were in force `before` and are not
    /// any more.
    func areReloaded(before: [LimitSetting]) {
        let standing = Set(accounts.limits?.settings ?? [])
        for gone in before where !standing.contains(gone) { notes.forget(.limit(gone.resource, gone.domain)) }
        reconsiderBlocked()
    }

    private func reconsiderBlocked() {
        for session in sessions.all {
            unsent.admitExcess(of: session)
            if session.blockedBy != nil { flow.reconsider(session) }
        }
    }
}

extension Resource {
    /// The resource with this name on the wire.
    init?(wireName name: UnsafeRawBufferPointer) {
        guard let resource = Resource.allCases.first(where: { name.isEqual(to: $0.name) }) else { return nil }
        self = resource
    }
}
