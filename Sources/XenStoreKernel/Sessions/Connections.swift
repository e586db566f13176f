// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Sessions begin, move bytes and end.
extension Machine {
    mutating func connect(_ link: any Link, as peer: Peer, at indexes: StreamIndexes) -> Session {
        sessionSerial += 1
        let session = Session(number: sessionSerial, peer: peer, link: link, turnGate: turnGate, pool: pool)
        session.place = sessions.count
        session.origin = indexes
        sessions.append(session)
        // A transport that reaches domains without a toolstack, such as the test kit's.
        if domainTransport == nil, domains[peer.domain] == nil {
            domains[peer.domain] = Domain(isIntroduced: true)
        }
        if domainTransport == nil, !peer.isPrivileged { domains[peer.domain]?.session = session }
        if handover != nil {
            restoreWatches(of: session)
            restoreStream(of: session)
        }
        // A peer that outlives the daemon learns that it is served, and storage notes that. It is flushed before
        // the toolstack that has introduced it: the toolstack's next step must find the ring in order.
        if peer.outlivesDaemon {
            session.isTouched = true
            touched.insert(session, at: 0)
        }
        return session
    }

    mutating func disconnect(_ session: Session) {
        guard session.isOpen else { return }
        session.isOpen = false
        session.isReading = false
        if domains[session.domain]?.session === session { domains[session.domain]?.session = nil }
        endReservation(of: session)
        removeWatches(of: session)
        dropTransactions(of: session)
        // They do not keep it alive.
        accounts.forgetOverdrawn(session)
        session.inbox.clear()
        accounts.settleInbox(of: session)
        settle(session, upTo: .max)
        session.outbox.consume(session.outbox.count)
        forgetStream(of: session)
        let last = sessions.removeLast()
        if last !== session {
            sessions[session.place] = last
            last.place = session.place
        }
    }

    /// The peer begins again over the same wire. Its watches, its transactions and all unread bytes of both
    /// directions are dropped. The session stays.
    mutating func reset(_ session: Session) {
        guard session.isOpen else { return }
        removeWatches(of: session)
        dropTransactions(of: session)
        session.inbox.clear()
        accounts.settleInbox(of: session)
        sent(session.outbox.count, on: session)
        session.turnStart = session.outbox.position
        restartIndexes(of: session)
        reconsider(session)
    }

    func dropTransactions(of session: Session) {
        for transaction in session.transactions.values { drop(transaction, of: session) }
        session.transactions = [:]
    }

    // MARK: Bytes

    mutating func receive(_ bytes: UnsafeRawBufferPointer, on session: Session) {
        guard session.isOpen, !session.isEnding else { return }
        session.receivedPosition &+= UInt64(bytes.count)
        // What was taken is to be noted, or to be given back to the peer as room.
        if session.outlivesDaemon { touch(session) }
        if session.inbox.isEmpty, !session.isBacklogged {
            let done = drain(bytes, session)
            if done < bytes.count, session.isOpen, !session.isEnding {
                session.inbox.append(UnsafeRawBufferPointer(rebasing: bytes[done...]))
            }
        } else {
            session.inbox.append(bytes)
            drainInbox(session)
        }
        accounts.settleInbox(of: session)
        reconsider(session)
    }

    mutating func receivedEnd(on session: Session) {
        guard session.isOpen else { return }
        session.isFinished = true
        touch(session)
    }

    mutating func sent(_ count: Int, on session: Session) {
        guard session.isOpen else { return }
        session.outbox.consume(count)
        if !session.delivery.isEmpty { settle(session, upTo: session.outbox.sentPosition) }
        if session.blockedBy != nil { reconsider(session) }
        if session.isFinished, session.outbox.isEmpty { touch(session) }
    }

    mutating func resumeSending(on session: Session) {
        if session.isOpen, !session.outbox.isEmpty { touch(session) }
    }

    private mutating func settle(_ session: Session, upTo position: UInt64) {
        let settled = session.delivery.settle(upTo: position)
        if settled.eventBytes > 0 { session.isDeaf = false }
        release(settled, of: session)
        admitExcess(of: session)
    }

    /// Takes back what was appended to the session's stream at or after `position`, with all that was counted
    /// for it.
    mutating func truncate(_ session: Session, to position: UInt64) {
        guard session.outbox.position > position else { return }
        session.outbox.truncate(to: session.outbox.count - Int(session.outbox.position - position))
        release(session.delivery.truncate(to: position), of: session)
    }

    /// Messages are no longer on their way.
    private mutating func release(_ settled: Delivery.Settled, of session: Session) {
        accounts.release(settled, of: session)
        for other in settled.freed { reconsider(other) }
    }

    // MARK: Flushing

    /// Remembers that the session has something to flush.
    @inline(__always)
    mutating func touch(_ session: Session) {
        if session.isTouched { return }
        session.isTouched = true
        touched.append(session)
    }

    /// The next session whose answers hang on no change, so that they need not wait for those who have much to be
    /// done.
    func nextAnswered(_ index: inout Int) -> Session? {
        if turn != nil || !notes.isEmpty { return nil }
        while index < touched.count {
            let session = touched[index]
            index += 1
            if session.isOpen, !session.outlivesDaemon, !session.outbox.isEmpty { return session }
        }
        return nil
    }

    /// The next session to be flushed at the end of a turn. Flushing may touch further sessions: one that ends
    /// frees what others waited for.
    mutating func nextToFlush(_ index: inout Int) -> Session? {
        while index < touched.count {
            let session = touched[index]
            index += 1
            session.isTouched = false
            if session.isOpen { return session }
        }
        // Of one, which is usual, that is much cheaper.
        if touched.count == 1 { touched.removeLast() } else { touched.removeAll(keepingCapacity: true) }
        return nil
    }

    /// The session was flushed. True if it has ended with that, and its link is to be closed.
    mutating func flushed(_ session: Session) -> Bool {
        if !session.isOpen { return false }
        reconsider(session)
        session.turnStart = session.outbox.position
        let isDone = session.isFinished && session.outbox.isEmpty && !session.isBacklogged
        if session.isEnding || isDone {
            disconnect(session)
            return true
        }
        awaitDeadlines(of: session)
        return false
    }
}
