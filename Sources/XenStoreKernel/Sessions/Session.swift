// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// One connection as the kernel sees it: its peer, the bytes that were received and those to send, its watches and its
/// transactions.
package final class Session: Connection {
    /// Copies of the peer's values, because each request needs them.
    let isPrivileged: Bool
    package let outlivesDaemon: Bool
    /// Whether limits apply to the client.
    let hasLimits: Bool

    package let link: any Link
    private let turnGate: TurnGate
    var inbox = Inbox()
    private var outbox: Outbox
    var delivery = Delivery()
    /// The positions in its two streams.
    var position: StreamPosition

    /// The open transactions, by their numbers.
    private(set) var transactions: [UInt32: Transaction] = [:]
    var lastTransaction: UInt32 = 0
    /// The number of transactions in a row that failed because of other clients.
    var conflicts = 0
    /// The features that the peer may use. SET_FEATURE may have removed some.
    var features = Feature.all

    var isOpen = true
    /// The session ends at the end of the turn: it broke the protocol, or does not read its events.
    var isEnding = false
    /// The reason of its end, for its transport.
    package internal(set) var endReason = EndReason.answered
    /// The peer sends nothing more. The session ends when all replies were sent.
    var isFinished = false
    /// The last commit that it had a part in.
    var lastCommit: UInt64 = 0
    /// The session is in the list of sessions to flush at the end of the turn.
    var isTouched = false
    /// The session is in the backlog, with whole messages that had no place in the turn.
    var isBacklogged = false
    var blockedBy: BlockedReason?
    /// The session is in the list of sessions with events that may be dropped.
    var isWaiting = false
    /// The things that count to it, if it has limits of its own.
    var own = Usage()
    /// The bytes of the inbox that are counted.
    var chargedInbox = 0
    /// The work done for it in the last moments.
    var effort = Effort()
    /// The number of events that were dropped, because it did not read.
    var droppedEvents = 0
    /// Others have waited in vain until it reads, and it has read nothing since. Nobody waits for it again.
    var isDeaf = false
    /// The number of its requests that wait until others read the events that they have caused.
    var heldUp = 0
    /// The place in a long list of children where its last DIRECTORY_PART has ended.
    var directory = DirectoryMarks()
    /// The time until which it gets no reservation.
    var reservationPause = Moment.start
    /// Its index in the list of all sessions.
    var place = 0

    init(
        number: UInt64, peer: Peer, link: any Link, at indexes: StreamIndexes, turnGate: TurnGate, pool: BufferPool
    ) {
        isPrivileged = peer.isPrivileged
        outlivesDaemon = peer.outlivesDaemon
        hasLimits = !peer.isPrivileged || peer.limits != nil
        self.link = link
        self.turnGate = turnGate
        position = StreamPosition(at: indexes)
        outbox = Outbox(pool: pool)
        super.init(number: number, peer: peer)
    }

    package override var unsent: UnsafeRawBufferPointer {
        guard turnGate.isOpen, isTouched, position.turnStart >= position.sent else { return outbox.bytes }
        return UnsafeRawBufferPointer(rebasing: outbox.bytes.prefix(Int(position.turnStart - position.sent)))
    }

    package override var indexes: StreamIndexes { position.indexes }

    package override var state: ConnectionState {
        if let blockedBy { return .blocked(blockedBy) }
        return inbox.isEmpty && !hasUnsent ? .ok : .busy
    }

    /// The domain whose rights this one shares (SET_TARGET).
    var target: DomainID?

    /// The client that asks, for policies.
    var client: Client { Client(domain: peer.domain, target: target) }

    var domain: DomainID { peer.domain }

    /// Lets the link send bytes.
    @inline(__always)
    package func flush() { link.flush(self) }

    /// The name of the client in the log.
    var name: String { "domain \(peer.domain.rawValue), \(peer.transport) \(number)" }

    /// Adds an open transaction. Storage must note it if the peer outlives the daemon.
    func enter(_ transaction: Transaction) {
        transactions[transaction.number] = transaction
        position.markStale()
    }

    /// Removes a transaction that has ended.
    func leave(_ transaction: Transaction) {
        transactions[transaction.number] = nil
        position.markStale()
    }

    // MARK: The stream to the peer. Only ``Unsent`` changes it, which counts what is on its way.

    /// The number of unsent bytes.
    @inline(__always) var unsentCount: Int { outbox.count }
    @inline(__always) package var hasUnsent: Bool { !outbox.isEmpty }

    /// Appends a whole message.
    @inline(__always)
    func append(_ header: Header, _ payload: UnsafeRawBufferPointer) {
        outbox.append(header, payload)
        position.make(Header.size &+ payload.count)
    }

    /// Makes room for `count` more bytes. The caller must write all of them.
    func extend(by count: Int) -> UnsafeMutableRawBufferPointer {
        position.make(count)
        return outbox.extend(by: count)
    }

    /// Removes the first `count` unsent bytes, which were sent.
    func consume(_ count: Int) {
        let count = min(count, outbox.count)
        outbox.consume(count)
        position.send(count)
    }

    /// Drops the bytes at or after a place in the stream.
    func truncate(to place: UInt64) {
        let count = Int(position.made - place)
        outbox.truncate(to: outbox.count - count)
        position.drop(count)
    }

    /// Drops unsent bytes of which nothing was sent: `ranges` are places in the stream, in order.
    func remove(_ ranges: [Range<UInt64>]) {
        let start = position.sent
        position.drop(outbox.remove(ranges.map { Int($0.lowerBound - start)..<Int($0.upperBound - start) }))
    }

    /// The bytes between two places in the stream, as long as all of them are unsent.
    func made(from start: UInt64, to end: UInt64) -> [UInt8] {
        guard isOpen, start >= position.sent, end >= start, end <= position.made else { return [] }
        return Array(outbox.bytes[Int(start - position.sent)..<Int(end - position.sent)])
    }
}
