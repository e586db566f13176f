// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Notes for storage how far the streams of peers that outlive the daemon have got, such as guests' rings.
final class Streams {
    private let notes: Notes
    private let sessions: Sessions

    init(notes: Notes, sessions: Sessions) {
        self.notes = notes
        self.sessions = sessions
    }

    /// The notes of streams that this turn's batch must hold. `hasBatch`: there is a batch in any case.
    func notes(hasBatch: Bool) -> StreamNotes {
        var result = StreamNotes()
        for session in sessions.touched where session.isOpen && session.outlivesDaemon {
            let mustBeNoted = session.position.mustBeNoted {
                // A reply that the ring takes at once, and whose request leaves the ring with it, needs no note.
                hasBatch || !session.inbox.isEmpty || session.unsentCount > session.link.room
            }
            if mustBeNoted { note(session, in: &result) }
        }
        return result
    }

    private func note(_ session: Session, in result: inout StreamNotes) {
        let position = session.position
        var records: [Record] = []
        let unnoted = position.unnoted
        if !unnoted.isEmpty {
            let bytes = session.made(from: unnoted.lowerBound, to: unnoted.upperBound)
            records.append(.unsent(session.domain, at: unnoted.lowerBound, bytes))
        }
        records.append(.stream(StreamRecord(session)))
        result.add(
            records, forgetting: position.sentPieces.map { .unsent(session.domain, at: $0.lowerBound) }, of: session)
    }

    /// Storage has taken the notes.
    func areNoted(_ noted: StreamNotes) {
        for session in noted.sessions where session.isOpen { session.position.markNoted() }
    }

    /// The unsent bytes differ from those that storage has: old events were dropped.
    func unsentChanged(of session: Session) {
        guard notes.areKept, session.outlivesDaemon else { return }
        forgetPieces(of: session)
        session.position.markStale()
        sessions.touch(session)
    }

    /// The session has ended. Storage forgets its streams.
    func forget(_ session: Session) {
        guard session.outlivesDaemon else { return }
        forgetPieces(of: session)
        notes.forget(.stream(session.domain))
    }

    private func forgetPieces(of session: Session) {
        for piece in session.position.forgetPieces() {
            notes.forget(.unsent(session.domain, at: piece.lowerBound))
        }
    }
}

extension StreamRecord {
    init(_ session: Session) {
        domain = session.domain
        indexes = session.indexes
        sent = session.position.sent
        lastTransaction = session.lastTransaction
        transactions = session.transactions.keys.sorted()
        inbox = session.inbox.bytes
    }
}
