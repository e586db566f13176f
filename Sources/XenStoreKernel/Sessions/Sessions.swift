// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// All open sessions, and those that need something at the end of the turn.
final class Sessions {
    /// Every open session, in no order.
    private(set) var all: [Session] = []
    /// The sessions to flush when the turn ends.
    private(set) var touched: [Session] = []
    /// The sessions whose transports must still learn that they may read, or may not.
    private var readingChanges: [Session] = []
    /// How many sessions there ever were.
    private(set) var openedCount: UInt64 = 0
    /// Bytes of the streams of those that have ended.
    private var ended: (received: UInt64, sent: UInt64) = (0, 0)
    private let turnGate = TurnGate()
    private let pool = BufferPool()

    // MARK: Coming and going

    func open(_ link: any Link, as peer: Peer, at indexes: StreamIndexes) -> Session {
        openedCount += 1
        let session = Session(
            number: openedCount, peer: peer, link: link, at: indexes, turnGate: turnGate, pool: pool)
        session.place = all.count
        all.append(session)
        return session
    }

    func remove(_ session: Session) {
        ended.received += session.position.received
        ended.sent += session.position.sent
        session.isOpen = false
        session.isReading = false
        let last = all.removeLast()
        if last === session { return }
        all[session.place] = last
        last.place = session.place
    }

    // MARK: Counting

    /// Bytes of the streams of all sessions that there ever were.
    var bytes: (received: UInt64, sent: UInt64) {
        all.reduce(into: ended) { bytes, session in
            bytes.received += session.position.received
            bytes.sent += session.position.sent
        }
    }

    /// How many transactions are open.
    var transactionCount: Int { all.reduce(0) { $0 + $1.transactions.count } }

    // MARK: Turns

    /// Opens the gate when a turn has changed something that storage must take first. See ``Session/unsent``.
    func setGate(isOpen: Bool) { turnGate.isOpen = isOpen }

    /// Begins a turn that the kernel may undo: it can drop everything that touched sessions get from here on.
    func beginTurn() {
        for session in touched { session.position.beginTurn() }
    }

    // MARK: Flushing

    /// Marks the session as one to flush.
    @inline(__always)
    func touch(_ session: Session) {
        if session.isTouched { return }
        session.isTouched = true
        touched.append(session)
    }

    /// Marks the session as one to flush before all others that are marked by now.
    func touchFirst(_ session: Session) {
        session.isTouched = true
        touched.insert(session, at: 0)
    }

    /// The next touched session to flush before the turn ends: its peer does not outlive the daemon, so storage need
    /// not note its stream.
    func nextAnswered(_ index: inout Int) -> Session? {
        while index < touched.count {
            let session = touched[index]
            index += 1
            if session.isOpen, !session.outlivesDaemon, session.hasUnsent { return session }
        }
        return nil
    }

    /// The next session to flush at the end of a turn. A flush may touch further sessions: a session that ends frees
    /// others that wait for it.
    @inline(__always)
    func nextToFlush(_ index: inout Int) -> Session? { touched.isEmpty ? nil : takeTouched(&index) }

    private func takeTouched(_ index: inout Int) -> Session? {
        while index < touched.count {
            // One session is usual, and this is much cheaper.
            if touched.count == 1 {
                let session = touched.removeLast()
                session.isTouched = false
                return session.isOpen ? session : nil
            }
            let session = touched[index]
            index += 1
            session.isTouched = false
            if session.isOpen { return session }
        }
        touched.removeAll(keepingCapacity: true)
        return nil
    }

    // MARK: Reading

    /// Sets whether the session's transport may read.
    @inline(__always)
    func setReading(_ isReading: Bool, of session: Session) {
        if isReading == session.isReading { return }
        session.isReading = isReading
        readingChanges.append(session)
    }

    /// Whether some transport must still learn that it may read, or may not.
    @inline(__always) var haveReadingChanges: Bool { !readingChanges.isEmpty }

    /// The next session whose transport must learn that it may read, or may not.
    @inline(__always)
    func nextReadingChange() -> Session? { readingChanges.isEmpty ? nil : takeReadingChange() }

    private func takeReadingChange() -> Session? {
        while let session = readingChanges.popLast() {
            if session.isOpen { return session }
        }
        return nil
    }
}

/// Open while a turn has changed something that storage must take first: then nobody may see the turn's replies.
final class TurnGate {
    var isOpen = false
}
