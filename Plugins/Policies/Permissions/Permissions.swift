// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Lets a domain touch a node as the node's permission list says.
///
/// The owner may do everything, and so may a domain whose target is the owner. For any other domain the first entry
/// decides that names the domain, its target or DOMID_ANY and is not stale. If there is none, the domain has the access
/// of the owner's entry.
public final class Permissions: Policy {
    public static var name: String { "permissions" }
    public static var summary: String { "The permission list of a node says which domains may read and write it." }
    public static var keys: [ConfigurationKey] { [] }

    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {}

    public func mayAccess(
        _ permissions: borrowing PermissionList, _ access: Access, as client: Client
    ) -> Bool {
        let owner = permissions.entries[0]
        if !owner.isStale, client.isOrActsFor(owner.domain) { return true }
        return granted(permissions, to: client).isSuperset(of: access)
    }

    private func granted(_ permissions: borrowing PermissionList, to client: Client) -> Access {
        for entry in permissions.entries.dropFirst() where !entry.isStale {
            if entry.domain == .any || client.isOrActsFor(entry.domain) { return entry.access }
        }
        return permissions.entries[0].access
    }
}

extension Client {
    fileprivate func isOrActsFor(_ domain: DomainID) -> Bool { self.domain == domain || target == domain }
}
