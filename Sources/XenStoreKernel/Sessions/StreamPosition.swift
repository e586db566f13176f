// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The positions in the two streams of a session: how much the peer has sent, how much was made for it and sent to it,
/// where this turn began, what storage knows, and where the peer's own indexes start.
///
/// Each position counts the bytes since the session began. Nothing else in the kernel keeps such a count.
struct StreamPosition {
    /// The bytes that the peer has ever sent.
    private(set) var received: UInt64 = 0
    /// The bytes that were ever made for the peer. The next message begins here.
    private(set) var made: UInt64 = 0
    /// The bytes that were sent to the peer.
    private(set) var sent: UInt64 = 0
    /// The position at which this turn's output begins. A rollback truncates to it.
    private(set) var turnStart: UInt64 = 0
    /// The peer's indexes at the beginning, when all counts were 0.
    private var origin: StreamIndexes
    /// The positions that storage has noted, if the peer outlives the daemon.
    private(set) var noted = NotedStream()

    /// A stream whose peer counts from `origin`.
    init(at origin: StreamIndexes = StreamIndexes()) { self.origin = origin }

    /// The number of unsent bytes.
    @inline(__always) var unsent: Int { Int(made &- sent) }

    /// The peer's indexes now, with the bytes that this turn has taken.
    var indexes: StreamIndexes {
        StreamIndexes(
            taken: origin.taken &+ UInt32(truncatingIfNeeded: received),
            put: origin.put &+ UInt32(truncatingIfNeeded: sent))
    }

    // MARK: Moving on

    @inline(__always)
    mutating func receive(_ count: Int) { received &+= UInt64(count) }

    @inline(__always)
    mutating func make(_ count: Int) { made &+= UInt64(count) }

    @inline(__always)
    mutating func send(_ count: Int) { sent &+= UInt64(count) }

    /// Drops the last bytes that were made.
    mutating func drop(_ count: Int) { made &-= UInt64(count) }

    /// Begins a turn here: no rollback drops earlier bytes.
    @inline(__always)
    mutating func beginTurn() { turnStart = made }

    // MARK: The peer's indexes

    /// The peer has moved its indexes itself.
    mutating func moveIndexes(from old: StreamIndexes, to new: StreamIndexes) {
        origin.taken &+= new.taken &- old.taken
        origin.put &+= new.put &- old.put
        noted.isStale = true
    }

    /// The peer begins again, with both indexes at 0.
    mutating func restartIndexes() {
        origin = StreamIndexes(
            taken: 0 &- UInt32(truncatingIfNeeded: received), put: 0 &- UInt32(truncatingIfNeeded: sent))
        noted.isStale = true
    }

    /// The number of bytes that were sent since an earlier daemon has noted `indexes`. To be called when the session
    /// begins.
    func sentSince(_ indexes: StreamIndexes) -> Int { Int(origin.put &- indexes.put) }

    /// Sets the index up to which an earlier daemon has taken bytes, as it has noted.
    mutating func resume(taken: UInt32) { origin.taken = taken }

    // MARK: What storage knows

    /// Marks that storage must note something beside the bytes.
    mutating func markStale() { noted.isStale = true }

    /// Whether the next batch must hold this stream. `keepsWhole`: there is a batch in any case, or the link cannot
    /// take all unsent bytes at once, or received bytes wait.
    func mustBeNoted(_ keepsWhole: () -> Bool) -> Bool {
        if noted.isStale || made &- noted.made > NotedStream.span { return true }
        if noted.made == made, noted.received == received { return false }
        return keepsWhole()
    }

    /// The positions of the bytes that the next note must add.
    var unnoted: Range<UInt64> { max(sent, noted.made)..<max(made, max(sent, noted.made)) }

    /// The noted pieces that were sent. The pieces stand in order, and a guest that does not read may have many: so
    /// only these are looked at.
    var sentPieces: ArraySlice<Range<UInt64>> { noted.pieces.prefix { $0.upperBound <= sent } }

    /// Storage has noted the stream as it is.
    mutating func markNoted() {
        let added = unnoted
        noted.pieces.removeFirst(sentPieces.count)
        if !added.isEmpty { noted.pieces.append(added) }
        noted.made = made
        noted.received = received
        noted.isStale = false
    }

    /// Removes all pieces and returns them, so that storage forgets them.
    mutating func forgetPieces() -> [Range<UInt64>] {
        defer {
            noted.pieces = []
            noted.made = sent
        }
        return noted.pieces
    }
}

/// The positions of a session's streams that storage has noted.
///
/// A request leaves a ring only when one batch of storage holds both its changes and its reply. The ring itself tells
/// the next daemon how much of the reply was put into it. So no request is lost, and no change is made twice, whenever
/// the daemon dies.
///
/// A request that changes nothing needs no batch. It stays in the ring until its whole reply is there. If the daemon
/// dies before that, the next daemon answers it.
struct NotedStream {
    /// All unsent bytes below this position are noted.
    fileprivate(set) var made: UInt64 = 0
    /// All received bytes below this position are noted.
    fileprivate(set) var received: UInt64 = 0
    /// The noted pieces of the stream to the peer, as ranges of positions.
    fileprivate(set) var pieces: [Range<UInt64>] = []
    /// Something else has changed: the transactions, or the start of the indexes.
    fileprivate(set) var isStale = true

    /// After this many bytes the stream is noted in any case, because the indexes come round every 4 GiB.
    fileprivate static let span: UInt64 = 1 << 30
}
