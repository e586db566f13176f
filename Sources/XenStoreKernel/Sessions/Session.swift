// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// One connection as the kernel sees it: who is at the other end, what has come and what is to go,
/// its watches and its transactions.
package final class Session: Connection {
    /// As the peer says; apart, as they are asked for with each request.
    let isPrivileged: Bool
    package let outlivesDaemon: Bool
    /// Bounds apply to what this client makes the daemon keep and do.
    let hasLimits: Bool

    package let link: any Link
    private let turnGate: TurnGate
    var inbox = Inbox()
    private var outbox: Outbox
    var delivery = Delivery()
    /// How far its two streams have got.
    var position: StreamPosition

    /// The open ones, by their numbers.
    private(set) var transactions: [UInt32: Transaction] = [:]
    var lastTransaction: UInt32 = 0
    /// Transactions in a row that failed because of others.
    var conflicts = 0
    /// Bits of the features the peer may use (SET_FEATURE may have taken some away).
    var features = Feature.all

    var isOpen = true
    /// Ends at the end of the turn: it broke the protocol, or does not read what it asked for.
    var isEnding = false
    /// Why it ends, for its transport.
    package internal(set) var endReason = EndReason.answered
    /// The peer sends no more: the session ends when all is answered and sent.
    var isFinished = false
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

    /// Who asks, for policies.
    var client: Client { Client(domain: peer.domain, target: target) }

    var domain: DomainID { peer.domain }

    /// Has the link send what it takes.
    @inline(__always)
    package func flush() { link.flush(self) }

    /// For the log: who this is.
    var name: String { "domain \(peer.domain.rawValue), \(peer.transport) \(number)" }

    /// A transaction is open from now on. Storage is to know, if the peer outlives the daemon.
    func enter(_ transaction: Transaction) {
        transactions[transaction.number] = transaction
        position.markStale()
    }

    /// A transaction is not open any more.
    func leave(_ transaction: Transaction) {
        transactions[transaction.number] = nil
        position.markStale()
    }

    // MARK: The stream to the peer. Only ``Unsent`` changes it, which counts what is on its way.

    /// Bytes that wait to be sent.
    @inline(__always) var unsentCount: Int { outbox.count }
    @inline(__always) package var hasUnsent: Bool { !outbox.isEmpty }

    /// Appends a whole message.
    @inline(__always)
    func append(_ header: Header, _ payload: UnsafeRawBufferPointer) {
        outbox.append(header, payload)
        position.make(Header.size &+ payload.count)
    }

    /// Room for `count` more bytes, all of which must be written.
    func extend(by count: Int) -> UnsafeMutableRawBufferPointer {
        position.make(count)
        return outbox.extend(by: count)
    }

    /// The first `count` unsent bytes have gone out.
    func consume(_ count: Int) {
        let count = min(count, outbox.count)
        outbox.consume(count)
        position.send(count)
    }

    /// Drops what was made at or after a place in the stream.
    func truncate(to place: UInt64) {
        let count = Int(position.made - place)
        outbox.truncate(to: outbox.count - count)
        position.takeBack(count)
    }

    /// Drops unsent bytes that have not begun to go out: `ranges` are places in the stream, in order.
    func remove(_ ranges: [Range<UInt64>]) {
        let start = position.sent
        position.takeBack(outbox.remove(ranges.map { Int($0.lowerBound - start)..<Int($0.upperBound - start) }))
    }

    /// What was made from one place in the stream to another, as long as it is all unsent.
    func made(from start: UInt64, to end: UInt64) -> [UInt8] {
        guard isOpen, start >= position.sent, end >= start, end <= position.made else { return [] }
        return Array(outbox.bytes[Int(start - position.sent)..<Int(end - position.sent)])
    }
}
