// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// GET_QUOTA and SET_QUOTA.
extension Machine {
    mutating func getQuota(_ request: Request) throws(WireError) -> Answer {
        let arguments = try strings(request, 0...2)
        guard let limits = accounts.limits else { throw .ENOSYS }
        guard let name = arguments.last else {
            return try reply(text: Resource.allCases.map { "\($0.name)" }.joined(separator: " "))
        }
        guard let resource = Resource(wireName: name) else { throw .EINVAL }
        let domain = arguments.count == 2 ? try knownDomain(arguments[0]) : nil
        return try reply(text: "\(limits.limit(of: resource, for: domain))")
    }

    mutating func setQuota(_ request: Request) throws(WireError) -> Answer {
        let arguments = try strings(request, 2...3)
        guard let limits = accounts.limits else { throw .ENOSYS }
        guard let resource = Resource(wireName: arguments[arguments.count - 2]) else { throw .EINVAL }
        let (value, _) = arguments[arguments.count - 1].leadingNumber
        // The largest number means "not set" in Xen's own interface.
        guard let limit = UInt32(exactly: value), limit != .max else { throw .EINVAL }
        let domain = arguments.count == 3 ? try knownDomain(arguments[0]) : nil
        set(limit, of: resource, for: domain, by: limits)
        return .ok
    }

    /// Sets a limit at run time: noted for the next daemon, and looked at by whom it has blocked.
    mutating func set(_ limit: UInt32, of resource: Resource, for domain: DomainID?, by limits: any LimitTable) {
        note(limits.setLimit(limit, of: resource, for: domain), of: resource, for: domain)
        reconsiderBlocked()
    }

    /// Policies have taken over a changed configuration. Of the limits that were set at run time `before`, storage
    /// forgets those that do not stand any more.
    mutating func policiesAreReloaded(before: [LimitSetting]) {
        let standing = Set(accounts.limits?.settings ?? [])
        for gone in before where !standing.contains(gone) { note(nil, of: gone.resource, for: gone.domain) }
        reconsiderBlocked()
    }

    private mutating func reconsiderBlocked() {
        for session in sessions {
            admitExcess(of: session)
            if session.blockedBy != nil { reconsider(session) }
        }
    }

    /// A domain that the kernel has to do with, or ENOENT.
    mutating func knownDomain(_ text: UnsafeRawBufferPointer) throws(WireError) -> DomainID {
        let id = try domainID(text)
        refresh(id)
        guard domains[id] != nil else { throw .ENOENT }
        return id
    }
}

extension Resource {
    /// The resource with this name on the wire.
    init?(wireName name: UnsafeRawBufferPointer) {
        guard let resource = Resource.allCases.first(where: { name.isEqual(to: $0.name) }) else { return nil }
        self = resource
    }
}
