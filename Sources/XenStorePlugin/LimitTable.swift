// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A policy whose limits can be read and changed while the daemon runs: GET_QUOTA, SET_QUOTA and
/// CONTROL `quota`. At most one policy should be one.
public protocol LimitTable: Policy {
    /// The limit in force: for `domain`, or the global one if nil. 0 means unlimited.
    func limit(of resource: Resource, for domain: DomainID?) -> UInt32
    /// Sets a limit at run time, for one domain or globally. It stands until the configuration says something
    /// else about it than it does now.
    @discardableResult
    func setLimit(_ limit: UInt32, of resource: Resource, for domain: DomainID?) -> LimitSetting
    /// Sets a limit again that a daemon before this one has set. False if the configuration says something else
    /// about it by now, which then holds.
    func restore(_ setting: LimitSetting) -> Bool
    /// All limits that were set at run time and stand, in any order.
    var settings: [LimitSetting] { get }
    /// The domain is gone: its number may come again for another, which starts with the defaults.
    func forget(_ domain: DomainID)
}

/// A limit that was set at run time.
public struct LimitSetting: Hashable, Sendable {
    public var limit: UInt32
    public var resource: Resource
    /// Nil for the limit of all domains.
    public var domain: DomainID?
    /// What the configuration said about it, as a number that means something to the ``LimitTable`` alone.
    public var configured: UInt64

    public init(limit: UInt32, resource: Resource, domain: DomainID?, configured: UInt64) {
        self.limit = limit
        self.resource = resource
        self.domain = domain
        self.configured = configured
    }
}
