// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The other end of a connection.
public struct Peer: Sendable {
    /// The domain of the peer. It decides the home for relative paths, the rights and the quotas.
    public var domain: DomainID
    /// Whether the peer may use the operations of the toolstack and owns every node. It has no quotas.
    public var isPrivileged: Bool
    /// False for a read-only socket. Then the daemon answers EROFS to a request that would change something.
    public var mayWrite: Bool
    /// Whether the peer does not notice a restart of the daemon, as with a ring. The next daemon must restore its
    /// watches.
    public var outlivesDaemon: Bool
    /// The transport's name in the configuration, such as `unix-socket`, for the log.
    public var transport: String
    /// The limits of a privileged peer that the operator trusts less than dom0's tools; nil for none. Policies limit
    /// guests.
    public var limits: ClientLimits?

    public init(
        domain: DomainID, isPrivileged: Bool, mayWrite: Bool = true, outlivesDaemon: Bool = false,
        transport: String, limits: ClientLimits? = nil
    ) {
        self.domain = domain
        self.isPrivileged = isPrivileged
        self.mayWrite = mayWrite
        self.outlivesDaemon = outlivesDaemon
        self.transport = transport
        self.limits = limits
    }
}

/// The limits of one connection. A limit is the largest allowed number; 0 means unlimited.
public struct ClientLimits: Sendable, Equatable {
    public var watches: Int
    /// Open transactions.
    public var transactions: Int
    /// Requests in one transaction.
    public var transactionRequests: Int
    /// The bytes of transactions and the old values kept for them, of watches, and of waiting requests and messages.
    /// The daemon closes a client that does not read its events at this limit.
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

    /// The error for a client that would hold `amount`; nil if it may.
    package func refusal(of resource: Resource, amount: Int) -> WireError? {
        let limit = limit(of: resource)
        return limit == 0 || amount <= limit ? nil : resource == .memory ? .EIO : .ENOSPC
    }
}
