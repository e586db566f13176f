// SPDX-License-Identifier: Apache-2.0
import CPlugin
import Glibc
import XenStorePlugin
import XenStoreWire

/// A policy of a shared object.
public final class SharedPolicy: SharedPlugin, Policy {
    override init(_ object: SharedObject, _ block: ConfigurationBlock) { super.init(object, block) }
    public required init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        try super.init(configuration)
    }

    public func mayAccess(_ permissions: borrowing PermissionList, _ access: Access, as client: Client) -> Bool {
        guard let instance, let mayAccess = instance.functions.may_access else { return true }
        return permissions.entries.withPermissions { entries in
            mayAccess(
                instance.data, entries.baseAddress, entries.count, UInt32(access.rawValue), client.domain.rawValue,
                client.target.map { Int32($0.rawValue) } ?? -1) != 0
        }
    }

    public func refusal(of resource: Resource, amount: Int, for domain: DomainID) -> WireError? {
        guard let instance, let refusal = instance.functions.refusal else { return nil }
        guard let name = refusal(instance.data, resource.name.text, Int64(amount), domain.rawValue) else { return nil }
        if let error = WireError.allCases.first(where: { strcmp($0.name.text, name) == 0 }) { return error }
        instance.complain("it refuses with '\(String(cString: name))', which is no error of the protocol")
        return .ENOSPC
    }
}

extension [Permission] {
    /// Calls `body` with the entries as C has them.
    func withPermissions<Result>(_ body: (UnsafeBufferPointer<sxp_permission>) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: sxp_permission.self, capacity: count) { place in
            for (index, entry) in enumerated() {
                place.initializeElement(
                    at: index,
                    to: sxp_permission(
                        domain: entry.domain.rawValue, access: entry.access.rawValue, stale: entry.isStale ? 1 : 0))
            }
            return body(UnsafeBufferPointer(place))
        }
    }
}
