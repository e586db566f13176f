// SPDX-License-Identifier: Apache-2.0

/// How far the two streams of a connection have got, as a ring's indexes count them: bytes that were
/// taken from the peer, and bytes that were put for it.
public struct StreamIndexes: Equatable, Sendable {
    public var taken: UInt32
    public var put: UInt32

    public init(taken: UInt32 = 0, put: UInt32 = 0) {
        self.taken = taken
        self.put = put
    }
}

extension Session {
    /// Up to where the streams have got: what was taken includes what this turn has taken.
    public var indexes: StreamIndexes {
        StreamIndexes(
            taken: origin.taken &+ UInt32(truncatingIfNeeded: receivedPosition),
            put: origin.put &+ UInt32(truncatingIfNeeded: outbox.sentPosition))
    }
}

extension Machine {
    /// The peer has moved the indexes itself, such as hvmloader, which clears the whole page before it
    /// starts what comes behind it: from now on they count from elsewhere.
    mutating func indexesMoved(on session: Session, from old: StreamIndexes, to new: StreamIndexes) {
        session.origin.taken &+= new.taken &- old.taken
        session.origin.put &+= new.put &- old.put
        session.noted.isStale = true
        touch(session)
    }

    /// The peer begins anew, with both indexes at 0.
    mutating func restartIndexes(of session: Session) {
        session.origin = StreamIndexes(
            taken: 0 &- UInt32(truncatingIfNeeded: session.receivedPosition),
            put: 0 &- UInt32(truncatingIfNeeded: session.outbox.sentPosition))
        session.noted.isStale = true
        touch(session)
    }
}
