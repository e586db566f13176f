// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Answers whether a client may do what it asks for. The kernel counts and finds; a policy judges.
///
/// Policies are asked in the order of the configuration; the first refusal is the answer. They are
/// not asked about privileged connections: dom0 owns every node, and a policy must not be able to
/// lock the operator out of the host.
public protocol Policy: Plugin {
    /// May this client touch a node with these permissions in this way? All of `access` is needed.
    func mayAccess(_ permissions: borrowing PermissionList, _ access: Access, as client: Client) -> Bool
    /// May `domain` come to hold `amount` of `resource`? Nil if it may, else the error it gets.
    func refusal(of resource: Resource, amount: Int, for domain: DomainID) -> WireError?
}

extension Policy {
    public func mayAccess(_ permissions: borrowing PermissionList, _ access: Access, as client: Client) -> Bool { true }
    public func refusal(of resource: Resource, amount: Int, for domain: DomainID) -> WireError? { nil }
}

/// Who asks, as far as permissions go.
public struct Client: Sendable, Hashable {
    public var domain: DomainID
    /// The domain this one does device emulation for, and whose rights it shares (SET_TARGET).
    public var target: DomainID?

    public init(domain: DomainID, target: DomainID? = nil) {
        self.domain = domain
        self.target = target
    }
}
