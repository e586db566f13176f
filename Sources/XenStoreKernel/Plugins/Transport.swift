// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A way for clients to reach the daemon. It moves bytes and says who is on the other end; what the
/// bytes mean is the kernel's business.
///
/// For each connection a transport makes a ``Link`` and hands it to ``Kernel/connect(_:as:at:)``. It hands what
/// it reads to ``Kernel/receive(_:on:)``, and sends what ``Session/unsent`` holds.
public protocol Transport: Plugin {
    /// Starts to accept connections. When it returns, clients can connect.
    func start(on loop: any EventLoop, kernel: Kernel) throws(SystemError)
    /// Closes everything and removes what `start` made, such as a socket file.
    func stop()
}

/// One connection's wire, as its transport moves bytes over it.
public protocol Link: AnyObject {
    /// Sends what the wire takes of the session's unsent bytes and reports it with
    /// ``Kernel/sent(_:on:)``. What it does not take must be tried again when the wire has room.
    /// Called at the end of a turn, when what is to be sent is safe to be seen. For a peer that
    /// outlives the daemon it is called whenever something has come from it, even if there is nothing
    /// to be sent: only now may the peer learn what was taken (``Session/indexes``).
    func flush(_ session: Session)
    /// How many bytes the wire takes at once. Asked only for peers that outlive the daemon: more than
    /// that is noted before any of it is sent.
    var room: Int { get }
    /// ``Session/isReading`` has changed: stop or resume reading from the peer.
    func readingChanged(_ session: Session)
    /// The kernel has connected the link of a domain, which ``DomainTransport`` has returned to it.
    func connected(_ session: Session)
    /// The kernel has dropped the session: close the connection. The session is already gone and
    /// must not be used any more.
    func close(_ reason: EndReason)
}

extension Link {
    public var room: Int { .max }
    public func connected(_ session: Session) {}
}

/// Why the kernel has dropped a session.
public enum EndReason: Sendable, Equatable {
    /// The peer had said that it sends no more, and all was answered.
    case answered
    /// A message longer than the protocol allows.
    case oversizedMessage
    /// The peer does not read what it asked to be told.
    case peerNotReading
}

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

    func limit(of resource: Resource) -> Int {
        switch resource {
        case .watches: watches
        case .transactions: transactions
        case .transactionRequests: transactionRequests
        case .memory: memory
        default: 0
        }
    }

    /// The error that a client gets which is to hold `amount`; nil if it may.
    func refusal(of resource: Resource, amount: Int) -> WireError? {
        let limit = limit(of: resource)
        return limit == 0 || amount <= limit ? nil : resource == .memory ? .EIO : .ENOSPC
    }
}
