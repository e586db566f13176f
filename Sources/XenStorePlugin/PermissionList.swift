// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A node's permissions, at least one entry. Entry 0 names the owner, and has the access of all domains without an
/// entry.
public struct PermissionList: Hashable, Sendable {
    public private(set) var entries: [Permission]

    /// `entries` must not be empty; an empty list becomes one that only dom0 can use.
    public init(_ entries: [Permission]) {
        self.entries = entries.isEmpty ? [Permission([], .control)] : entries
    }

    public var owner: DomainID { entries[0].domain }

    /// The same list with another owner. The access of entry 0 stays.
    public func owned(by domain: DomainID) -> PermissionList {
        var changed = self
        changed.entries[0].domain = domain
        changed.entries[0].isStale = false
        return changed
    }
}
