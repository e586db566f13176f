// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Who is at the other end of a connection.
public struct Peer: Sendable {
    /// The domain it belongs to: its home for relative paths, its rights and its quotas.
    public var domain: DomainID
    /// May issue the operations of the control domain, and owns every node. Not subject to quotas.
    public var isPrivileged: Bool
    /// False on the read-only socket: whatever would change something is answered EROFS.
    public var mayWrite: Bool
    /// Does not notice when the daemon is restarted, and so must find its watches again: a ring.
    public var outlivesDaemon: Bool
    /// What to call it in the log, such as `socket` or `ring`.
    public var transport: StaticString
    /// Bounds for each connection of a privileged peer that is not trusted as dom0's tools are; nil for none.
    /// Guests are bounded by policies.
    public var limits: ClientLimits?

    public init(
        domain: DomainID, isPrivileged: Bool, mayWrite: Bool = true, outlivesDaemon: Bool = false,
        transport: StaticString, limits: ClientLimits? = nil
    ) {
        self.domain = domain
        self.isPrivileged = isPrivileged
        self.mayWrite = mayWrite
        self.outlivesDaemon = outlivesDaemon
        self.transport = transport
        self.limits = limits
    }
}

/// What one connection may hold; 0 means unlimited, and exactly as many are allowed as the limit says.
public struct ClientLimits: Sendable, Equatable {
    public var watches: Int
    /// Open transactions.
    public var transactions: Int
    /// Requests in one transaction.
    public var transactionRequests: Int
    /// Bytes: transactions and the old values kept for them, watches, requests and messages that wait. A client
    /// that does not read its events is closed at this bound.
    public var memory: Int

    public init(watches: Int, transactions: Int, transactionRequests: Int, memory: Int) {
        self.watches = watches
        self.transactions = transactions
        self.transactionRequests = transactionRequests
        self.memory = memory
    }

    package func limit(of resource: Resource) -> Int {
        switch resource {
        case .watches: watches
        case .transactions: transactions
        case .transactionRequests: transactionRequests
        case .memory: memory
        default: 0
        }
    }

    /// The error that a client gets which is to hold `amount`; nil if it may.
    package func refusal(of resource: Resource, amount: Int) -> WireError? {
        let limit = limit(of: resource)
        return limit == 0 || amount <= limit ? nil : resource == .memory ? .EIO : .ENOSPC
    }
}
