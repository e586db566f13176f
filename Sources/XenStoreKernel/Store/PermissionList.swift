// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A node's permissions. Entry 0 is the owner's.
public struct PermissionList: Hashable {
    public var entries: [Permission]
    public init(_ entries: [Permission]) { self.entries = entries }
}
