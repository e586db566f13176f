// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Decides whether a client may do something.
///
/// The kernel asks the policies in the order of the configuration. The first refusal counts. It does not ask about
/// privileged connections: dom0 owns every node, and a policy must not lock the operator out of the host.
public protocol Policy: Plugin {
    /// Whether this client may use a node with these permissions in this way. It needs all of `access`.
    func mayAccess(_ permissions: borrowing PermissionList, _ access: Access, as client: Client) -> Bool
    /// The error if `domain` may not hold `amount` of `resource`; nil if it may.
    func refusal(of resource: Resource, amount: Int, for domain: DomainID) -> WireError?
}

extension Policy {
    public func mayAccess(_ permissions: borrowing PermissionList, _ access: Access, as client: Client) -> Bool { true }
    public func refusal(of resource: Resource, amount: Int, for domain: DomainID) -> WireError? { nil }
}

/// A client, as permissions see it.
public struct Client: Sendable, Hashable {
    public var domain: DomainID
    /// The domain for which this one emulates devices, and whose rights it shares (SET_TARGET).
    public var target: DomainID?

    public init(domain: DomainID, target: DomainID? = nil) {
        self.domain = domain
        self.target = target
    }
}
