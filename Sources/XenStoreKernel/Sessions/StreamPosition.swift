// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// How far the two streams of a session have got: what has come from the peer, what was made for it and what has
/// gone out, where this turn began, what storage knows, and where the peer's own indexes count from.
///
/// All of that counts bytes since the session began. Nothing else in the kernel keeps such a count.
struct StreamPosition {
    /// Bytes that have ever come from the peer.
    private(set) var received: UInt64 = 0
    /// Bytes that were ever made for the peer: the next message begins here.
    private(set) var made: UInt64 = 0
    /// Bytes that have gone out.
    private(set) var sent: UInt64 = 0
    /// Where this turn's answers begin, as far as they may have to be taken back.
    private(set) var turnStart: UInt64 = 0
    /// What the peer's indexes were when all counts were 0.
    private var origin: StreamIndexes
    /// What storage knows, if the peer outlives the daemon.
    private(set) var noted = NotedStream()

    /// A stream whose peer counts from `origin`.
    init(at origin: StreamIndexes = StreamIndexes()) { self.origin = origin }

    /// Bytes that were made and have not gone out.
    @inline(__always) var unsent: Int { Int(made &- sent) }

    /// What the peer's indexes are: what was taken includes what this turn has taken.
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

    /// What was made last is taken back, or was dropped.
    mutating func takeBack(_ count: Int) { made &-= UInt64(count) }

    /// A turn begins here: what was made before is never taken back.
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

    /// How many bytes have gone out since an earlier daemon has noted `indexes`. To be asked when the session begins.
    func sentSince(_ indexes: StreamIndexes) -> Int { Int(origin.put &- indexes.put) }

    /// The session goes on where an earlier daemon has noted that it had taken bytes.
    mutating func resume(taken: UInt32) { origin.taken = taken }

    // MARK: What storage knows

    /// Something has changed that storage must learn beside the bytes.
    mutating func markStale() { noted.isStale = true }

    /// Whether the next batch must hold this stream. `keepsWhole`: a batch is made in any case, or not all unsent
    /// bytes can be put at once, or some that have come wait.
    func mustBeNoted(_ keepsWhole: () -> Bool) -> Bool {
        if noted.isStale || made &- noted.made > NotedStream.span { return true }
        if noted.made == made, noted.received == received { return false }
        return keepsWhole()
    }

    /// The bytes that the next note is to add, and pieces that it need not keep.
    var unnoted: Range<UInt64> { max(sent, noted.made)..<max(made, max(sent, noted.made)) }

    /// Noted pieces of which all has gone out. They stand in order, and of a guest that does not read there may be
    /// many: only these are looked at.
    var sentPieces: ArraySlice<Range<UInt64>> { noted.pieces.prefix { $0.upperBound <= sent } }

    /// Storage has taken the stream as it is.
    mutating func markNoted() {
        let added = unnoted
        noted.pieces.removeFirst(sentPieces.count)
        if !added.isEmpty { noted.pieces.append(added) }
        noted.made = made
        noted.received = received
        noted.isStale = false
    }

    /// Storage is to forget the pieces. Returns them.
    mutating func forgetPieces() -> [Range<UInt64>] {
        defer {
            noted.pieces = []
            noted.made = sent
        }
        return noted.pieces
    }
}

/// What storage knows of a session's streams.
///
/// A request leaves a ring only when what it has changed and what it is answered are one batch of
/// storage; the ring itself tells the next daemon how much of the answer was put. So at whatever
/// moment the daemon dies, no request is lost, and none that has changed anything is done twice.
///
/// What changes nothing needs no batch: it stays in the ring until its whole answer is there, and is
/// answered by the next daemon if that did not come to be.
struct NotedStream {
    /// Up to where all that was made and is unsent is noted.
    fileprivate(set) var made: UInt64 = 0
    /// Up to where all that was taken from the peer is noted.
    fileprivate(set) var received: UInt64 = 0
    /// The noted pieces of what was made, by where they begin and end.
    fileprivate(set) var pieces: [Range<UInt64>] = []
    /// Something else has changed: the transactions, or where the indexes count from.
    fileprivate(set) var isStale = true

    /// After so many bytes it is noted again in any case: the indexes come round every 4 GiB.
    fileprivate static let span: UInt64 = 1 << 30
}
