// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A policy whose limits can be read and changed while the daemon runs, by GET_QUOTA, SET_QUOTA and CONTROL `quota`. At
/// most one policy may be one.
public protocol LimitTable: Policy {
    /// The present limit of `domain`, or of all domains if `domain` is nil. 0 means unlimited.
    func limit(of resource: Resource, for domain: DomainID?) -> UInt32
    /// Sets a limit at run time, for one domain or for all. It holds until its key in the configuration changes.
    @discardableResult
    func setLimit(_ limit: UInt32, of resource: Resource, for domain: DomainID?) -> LimitSetting
    /// Sets a limit again that an earlier daemon has set. False if its key in the configuration has changed since. Then
    /// the configuration holds.
    func restore(_ setting: LimitSetting) -> Bool
    /// All limits that were set at run time and still hold, in any order.
    var settings: [LimitSetting] { get }
    /// Forgets the limits of a domain that is gone. The next domain with its number begins with the defaults.
    func forget(_ domain: DomainID)
}

/// A limit that was set at run time.
public struct LimitSetting: Hashable, Sendable {
    public var limit: UInt32
    public var resource: Resource
    /// Nil for the limit of all domains.
    public var domain: DomainID?
    /// The value in the configuration at that time, as a number that only the ``LimitTable`` understands.
    public var configured: UInt64

    public init(limit: UInt32, resource: Resource, domain: DomainID?, configured: UInt64) {
        self.limit = limit
        self.resource = resource
        self.domain = domain
        self.configured = configured
    }
}
