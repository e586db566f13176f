// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// Begins and ends sessions, with everything that belongs to them.
final class Connections {
    private let sessions: Sessions
    private let accounts: Accounts
    private let flow: FlowControl
    private let unsent: Unsent
    private let watches: Watches
    private let transactions: Transactions
    private let checks: Checks
    private let streams: Streams
    private let notes: Notes
    private let scanner: PathScanner

    init(
        sessions: Sessions, accounts: Accounts, flow: FlowControl, unsent: Unsent, watches: Watches,
        transactions: Transactions, checks: Checks, streams: Streams, notes: Notes, scanner: PathScanner
    ) {
        self.sessions = sessions
        self.accounts = accounts
        self.flow = flow
        self.unsent = unsent
        self.watches = watches
        self.transactions = transactions
        self.checks = checks
        self.streams = streams
        self.notes = notes
        self.scanner = scanner
    }

    /// Begins a session. A peer that was connected before the daemon was restarted gets its things back from `left`.
    func open(_ link: any Link, as peer: Peer, at indexes: StreamIndexes, goingOnFrom left: Handover?) -> Session {
        let session = sessions.open(link, as: peer, at: indexes)
        guard session.outlivesDaemon else { return session }
        if let left {
            restoreWatches(of: session, left)
            restoreStream(of: session, left)
        }
        // Storage notes the session, and then the peer learns that it is served. It is flushed before the toolstack
        // that has introduced it, because the toolstack's next step must find the ring in order.
        sessions.touchFirst(session)
        return session
    }

    /// Ends a session, and removes everything that belongs to it.
    func end(_ session: Session) {
        guard session.isOpen else { return }
        sessions.remove(session)
        flow.endReservation(of: session)
        watches.removeAll(of: session)
        transactions.dropAll(of: session)
        checks.forget(session)
        // Readers of snapshots must not refer to a session that is gone.
        accounts.forgetOverdrawn(session)
        dropInbox(of: session)
        unsent.drop(all: session)
        streams.forget(session)
    }

    /// Begins a session again over the same wire, as its peer wants. Drops its watches, its transactions and all unread
    /// bytes of both directions.
    func reset(_ session: Session) {
        guard session.isOpen else { return }
        watches.removeAll(of: session)
        transactions.dropAll(of: session)
        checks.forget(session)
        dropInbox(of: session)
        unsent.sent(session.unsentCount, of: session)
        session.position.beginTurn()
        session.position.restartIndexes()
        sessions.touch(session)
        flow.reconsider(session)
    }

    private func dropInbox(of session: Session) {
        session.inbox.clear()
        accounts.settleInbox(of: session)
    }

    // MARK: Going on

    private func restoreWatches(of session: Session, _ left: Handover) {
        for record in left.takeWatches(of: session.domain) {
            record.path.withBytes { path in
                guard let path = try? scanner.scan(path, home: .control, specials: true) else { return }
                watches.restore(record, on: path, of: session)
            }
        }
    }

    /// Continues the streams where an earlier daemon has stopped.
    private func restoreStream(of session: Session, _ left: Handover) {
        guard let rest = left.takeStream(of: session.domain) else { return }
        for place in rest.pieces.keys { notes.forget(.unsent(session.domain, at: place)) }
        guard let stream = rest.stream else { return }
        session.lastTransaction = stream.lastTransaction
        for number in stream.transactions where number != 0 && session.transactions[number] == nil {
            transactions.restore(number, of: session)
        }
        let bytes = rest.unsent
        let sent = session.position.sentSince(stream.indexes)
        // More was sent than was noted. So the note is older than the ring, and the ring's indexes are right.
        guard sent <= bytes.count else { return }
        session.position.resume(taken: stream.indexes.taken)
        stream.inbox.withUnsafeBytes { if !$0.isEmpty { session.inbox.append($0) } }
        bytes[sent...].withUnsafeBytes { rest in
            if rest.isEmpty { return }
            unsent.append(rest: rest, to: session)
        }
        accounts.settleInbox(of: session)
        session.position.beginTurn()
        flow.reconsider(session)
    }
}
