// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What the notes say of the streams of a peer that outlives the daemon, such as a guest's ring.
///
/// A request leaves a ring only when what it has changed and what it is answered are one batch of
/// storage; the ring itself tells the next daemon how much of the answer was put. So whatever the
/// moment of the daemon's death, no request is lost, and none that has changed anything is done twice.
///
/// What changes nothing needs no batch: it stays in the ring until its whole answer is there, and is
/// answered by the next daemon if that did not come to be.
struct NotedStream {
    /// Up to where in the stream to the peer all that is unsent is noted.
    var sendPosition: UInt64 = 0
    /// Up to where in the stream from the peer all that was taken is noted.
    var receivedPosition: UInt64 = 0
    /// The pieces of the stream to the peer that are noted, by where they begin and end.
    var pieces: [Range<UInt64>] = []
    /// Something else has changed: the transactions, or where the indexes count from.
    var isStale = true

    /// After so many bytes it is noted again in any case: the indexes come round every 4 GiB.
    static let span: UInt64 = 1 << 30
}

/// A stream's note, as the next daemon finds it.
struct StreamNote {
    /// The state of the session when the turn ended, before anything of the turn was sent.
    var indexes = StreamIndexes()
    var sentPosition: UInt64 = 0
    var lastTransaction: UInt32 = 0
    var transactions: [UInt32] = []
    /// Bytes that were taken and not handled: a part of a message, or messages that had to wait.
    var inbox: [UInt8] = []
    /// False if there are only pieces.
    private(set) var isWhole = false
    /// What was to be sent, in pieces by their positions in the stream.
    var pieces: [UInt64: [UInt8]] = [:]

    init() {}

    init(_ session: Session) {
        indexes = session.indexes
        sentPosition = session.outbox.sentPosition
        lastTransaction = session.lastTransaction
        transactions = session.transactions.keys.sorted()
        inbox = session.inbox.bytes
    }

    /// Reads all but the pieces.
    mutating func read(_ reader: inout NoteReader) {
        guard let taken = reader.number(), let put = reader.number(), let sent = reader.number(),
            let last = reader.number(), let count = reader.number()
        else { return }
        indexes = StreamIndexes(taken: UInt32(truncatingIfNeeded: taken), put: UInt32(truncatingIfNeeded: put))
        sentPosition = sent
        lastTransaction = UInt32(truncatingIfNeeded: last)
        for _ in 0..<min(count, UInt64(reader.rest.count / 8)) {
            guard let number = reader.number() else { return }
            transactions.append(UInt32(truncatingIfNeeded: number))
        }
        inbox = reader.rest
        isWhole = true
    }

    var bytes: [UInt8] {
        let numbers =
            [UInt64(indexes.taken), UInt64(indexes.put), sentPosition, UInt64(lastTransaction)]
            + [UInt64(transactions.count)] + transactions.map { UInt64($0) }
        return numbers.flatMap(\.noteBytes) + inbox
    }

    /// All that was to be sent when the turn ended.
    var unsent: [UInt8] {
        var bytes: [UInt8] = []
        var position = sentPosition
        for (start, piece) in pieces.sorted(by: { $0.key < $1.key }) {
            // A piece may have been sent in part; none is missing in between.
            guard start <= position, position - start <= UInt64(piece.count) else { continue }
            bytes += piece[Int(position - start)...]
            position = start &+ UInt64(piece.count)
        }
        return bytes
    }

    static func key(_ domain: DomainID) -> [UInt8] { Array("stream/\(domain.rawValue)".utf8) }
    static func key(_ domain: DomainID, pieceAt position: UInt64) -> [UInt8] {
        Array("unsent/\(domain.rawValue)/\(position)".utf8)
    }
}

// MARK: - Noting

extension Machine {
    /// The notes of the streams that this turn's batch has to hold.
    func streamNotes() -> [[UInt8]: [UInt8]?] {
        var result: [[UInt8]: [UInt8]?] = [:]
        guard keepsBatches else { return result }
        let hasBatch = turn != nil || !notes.isEmpty
        for session in touched where session.isOpen && session.outlivesDaemon {
            if mustNote(session, hasBatch: hasBatch) { note(streamOf: session, in: &result) }
        }
        return result
    }

    private func mustNote(_ session: Session, hasBatch: Bool) -> Bool {
        let noted = session.noted
        if noted.isStale || session.outbox.position &- noted.sendPosition > NotedStream.span { return true }
        if noted.sendPosition == session.outbox.position, noted.receivedPosition == session.receivedPosition {
            return false
        }
        // What is put whole, and taken with it, needs no note.
        return hasBatch || !session.inbox.isEmpty || session.outbox.count > session.link.room
    }

    private func note(streamOf session: Session, in result: inout [[UInt8]: [UInt8]?]) {
        let outbox = session.outbox.bytes
        let sent = session.outbox.sentPosition
        // They stand in order, and of a guest that does not read there may be many.
        for piece in session.noted.pieces.prefix(while: { $0.upperBound <= sent }) {
            result[StreamNote.key(session.domain, pieceAt: piece.lowerBound)] = .some(nil)
        }
        let start = max(sent, session.noted.sendPosition)
        if start < session.outbox.position {
            result[StreamNote.key(session.domain, pieceAt: start)] = Array(outbox[Int(start - sent)...])
        }
        result[StreamNote.key(session.domain)] = StreamNote(session).bytes
    }

    /// Storage has taken the streams' notes.
    func streamsAreNoted(_ noted: [[UInt8]: [UInt8]?]) {
        if noted.isEmpty { return }
        for session in touched where session.isOpen && noted[StreamNote.key(session.domain)] != nil {
            guard session.outlivesDaemon else { continue }
            let sent = session.outbox.sentPosition
            let start = max(sent, session.noted.sendPosition)
            session.noted.pieces.removeFirst(session.noted.pieces.prefix { $0.upperBound <= sent }.count)
            if start < session.outbox.position { session.noted.pieces.append(start..<session.outbox.position) }
            session.noted.sendPosition = session.outbox.position
            session.noted.receivedPosition = session.receivedPosition
            session.noted.isStale = false
        }
    }

    /// Unsent bytes are no longer what was noted: events that nobody has read in time were dropped.
    mutating func unsentChanged(of session: Session) {
        guard keepsBatches, session.outlivesDaemon else { return }
        forgetPieces(of: session)
        session.noted.isStale = true
        touch(session)
    }

    /// The session has ended, and with it its streams.
    mutating func forgetStream(of session: Session) {
        guard keepsBatches, session.outlivesDaemon else { return }
        forgetPieces(of: session)
        notes.forget(StreamNote.key(session.domain))
    }

    private mutating func forgetPieces(of session: Session) {
        for piece in session.noted.pieces {
            notes.forget(StreamNote.key(session.domain, pieceAt: piece.lowerBound))
        }
        session.noted.pieces = []
        session.noted.sendPosition = session.outbox.sentPosition
    }
}

// MARK: - Going on

extension Machine {
    /// A peer that was there before the daemon was restarted goes on where its streams have stopped.
    mutating func restoreStream(of session: Session) {
        guard session.outlivesDaemon, let note = handover?.streams.removeValue(forKey: session.domain) else {
            return
        }
        for position in note.pieces.keys {
            notes.forget(StreamNote.key(session.domain, pieceAt: position))
        }
        guard note.isWhole else { return }
        restoreTransactions(of: session, note)
        let unsent = note.unsent
        let sent = session.origin.put &- note.indexes.put
        // Beyond that, later turns that needed no note were sent whole: the indexes say it all.
        guard sent <= unsent.count else { return }
        session.origin.taken = note.indexes.taken
        note.inbox.withUnsafeBytes { if !$0.isEmpty { session.inbox.append($0) } }
        unsent[Int(sent)...].withUnsafeBytes { rest in
            if rest.isEmpty { return }
            let start = session.outbox.position
            session.outbox.extend(by: rest.count).copyMemory(from: rest)
            if session.isPrivileged { return }
            accounts.ledger.adjustMemory(of: session.domain, by: rest.count)
            session.delivery.append(
                Delivery.Mark(start: start, end: session.outbox.position, event: 0, cause: nil, kind: .rest))
        }
        accounts.settleInbox(of: session)
        session.turnStart = session.outbox.position
        reconsider(session)
    }

    /// What was done in open transactions is lost, and the peer learns so when it ends them: it has to
    /// try again, as after a conflict.
    private func restoreTransactions(of session: Session, _ note: StreamNote) {
        session.lastTransaction = note.lastTransaction
        for number in note.transactions where number != 0 && session.transactions[number] == nil {
            let transaction = Transaction(number: number, store: store, reader: nil)
            transaction.lose(of: store, reader: reader(for: session, number))
            session.transactions[number] = transaction
            accounts.adjustTransactions(of: session, by: 1)
            accounts.settleCharge(of: transaction, session)
        }
    }
}
