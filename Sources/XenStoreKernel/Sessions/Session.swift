// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// One connection as the kernel sees it: who is at the other end, what has come and what is to go,
/// its watches and its transactions.
public final class Session {
    public let peer: Peer
    /// As the peer says; apart, as they are asked for with each request.
    let isPrivileged: Bool
    let outlivesDaemon: Bool
    /// Bounds apply to what this client makes the daemon keep and do.
    let hasLimits: Bool
    /// Goes up with each connection; for the log.
    public let number: UInt64
    /// False while the session is BLOCKED or ending: its transport must not read from the peer.
    public internal(set) var isReading = true

    let link: any Link
    private let turnGate: TurnGate
    var inbox = Inbox()
    var outbox: Outbox
    var delivery = Delivery()

    /// Watches, by a hash of path and token.
    var watches: [UInt64: [Watch]] = [:]
    var transactions: [UInt32: Transaction] = [:]
    var lastTransaction: UInt32 = 0
    /// Transactions in a row that failed because of others.
    var conflicts = 0
    /// Bits of the features the peer may use (SET_FEATURE may have taken some away).
    var features = Feature.all

    var isOpen = true
    /// Ends at the end of the turn: it broke the protocol, or does not read what it asked for.
    var isEnding = false
    /// Why it ends, for its transport.
    var endReason = EndReason.answered
    /// The peer sends no more: the session ends when all is answered and sent.
    var isFinished = false
    /// How many bytes have ever come from the peer.
    var receivedPosition: UInt64 = 0
    /// What the peer's indexes were when the session's positions in both streams were 0.
    var origin = StreamIndexes()
    /// What storage knows of the session's streams, if the peer outlives the daemon.
    var noted = NotedStream()
    /// Where this turn's answers begin in the stream, as far as they may have to be taken back.
    var turnStart: UInt64 = 0
    /// The last commit that it had a part in.
    var lastCommit: UInt64 = 0
    /// In the kernel's list of sessions to flush when the turn ends.
    var isTouched = false
    /// In the kernel's list of sessions with whole frames left over from this turn.
    var isBacklogged = false
    var blockedBy: BlockedReason?
    /// In the kernel's list of sessions whose events may have to be dropped.
    var isWaiting = false
    /// What it holds, if it has limits of its own.
    var own = Usage()
    /// Bytes of the inbox that are counted.
    var chargedInbox = 0
    /// What it has had done in the last moments.
    var effort = Effort()
    /// Events that were dropped, since it did not read.
    var droppedEvents = 0
    /// Others have waited for it in vain, and it has read nothing since: nobody waits for it again.
    var isDeaf = false
    /// How many of its requests wait for others to read the events that they have caused.
    var heldUp = 0
    /// Where in a long list of children its last DIRECTORY_PART has ended.
    var directory = DirectoryMarks()
    /// Until when no transaction of its own may have the store to itself.
    var reservationPause = Moment.start
    /// Its place in the kernel's list of sessions.
    var place = 0

    init(number: UInt64, peer: Peer, link: any Link, turnGate: TurnGate, pool: BufferPool) {
        self.number = number
        self.peer = peer
        isPrivileged = peer.isPrivileged
        outlivesDaemon = peer.outlivesDaemon
        hasLimits = !peer.isPrivileged || peer.limits != nil
        self.link = link
        self.turnGate = turnGate
        outbox = Outbox(pool: pool)
    }

    /// What may be sent and has not been reported as sent. Valid until the next call into the kernel.
    ///
    /// In the middle of a turn that storage has yet to take, that is only what earlier turns have
    /// left: nobody sees an answer that might have to be taken back.
    public var unsent: UnsafeRawBufferPointer {
        guard turnGate.isOpen, isTouched, turnStart >= outbox.sentPosition else { return outbox.bytes }
        return UnsafeRawBufferPointer(
            rebasing: outbox.bytes.prefix(Int(turnStart - outbox.sentPosition)))
    }

    public var state: SessionState {
        if let blockedBy { return .blocked(blockedBy) }
        return inbox.isEmpty && outbox.isEmpty ? .ok : .busy
    }

    /// The domain whose rights this one shares (SET_TARGET).
    var target: DomainID?

    /// Who asks, for policies.
    var client: Client { Client(domain: peer.domain, target: target) }

    var domain: DomainID { peer.domain }
}

/// Whether a turn has changed something that storage has yet to take: then nobody may see what it has answered.
final class TurnGate {
    var isOpen = false
}
