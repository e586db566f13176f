// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What a turn has done since its first change, for a storage that can fail: enough to take it all
/// back and answer again.
struct Turn {
    /// The store as it was before the first change.
    let snapshot: UInt64
    private(set) var entries: [TurnEntry] = []
    /// Domains that have died in it.
    var dead: [Dead] = []

    struct Dead {
        let id: DomainID
        /// Whether somebody waits to hear of it who has not yet.
        let mustTell: Bool
    }

    init(snapshot: UInt64) { self.snapshot = snapshot }

    /// Notes a request that was handled, whatever it is: if the turn is taken back, so is its answer.
    mutating func note(
        _ header: Header, _ payload: UnsafeRawBufferPointer, of session: Session, since begin: TurnEntry.Begin
    ) {
        entries.append(
            TurnEntry(
                session: session, header: header, payload: Array(payload), begin: begin, end: session.outbox.position))
    }
}

/// A request that a turn has answered.
struct TurnEntry {
    /// What was so before it was handled.
    struct Begin {
        /// Where in the stream to its session the answer begins.
        let position: UInt64
        /// The moment that the request's transaction shows, if it has one. It may end with the request.
        let moment: UInt64?

        init(_ header: Header, _ session: Session) {
            position = session.outbox.position
            moment = header.transaction == 0 ? nil : session.transactions[header.transaction]?.start
        }
    }

    let session: Session
    let header: Header
    let payload: [UInt8]
    let begin: Begin
    /// Where the answer ends, and what it has caused in the same stream.
    let end: UInt64
}

/// A turn that has ended, while storage is asked to keep what it has changed.
struct ClosedTurn {
    fileprivate let turn: Turn?
    /// The notes of streams that are kept with it.
    fileprivate let streams: [[UInt8]: [UInt8]?]
}

/// Group commit: one batch per turn, and no answer leaves before storage has taken it.
extension Machine {
    /// From here on the turn can be taken back, and with it the answer of the request in hand.
    mutating func openTurn() {
        if !keepsBatches || turn != nil { return }
        for session in touched { session.turnStart = session.outbox.position }
        turn = Turn(snapshot: store.openSnapshot(undoable: true))
    }

    /// What the turn has changed, to be handed to storage; nil if there is nothing. Either ``committed(_:)`` or
    /// ``rolledBack(_:)`` comes next.
    mutating func closeTurn() -> ClosedTurn? {
        schedule.beginTurn()
        if pinsTooMuch { giveUpOverdrawn() }
        if !keepsBatches { return nil }
        let streams = streamNotes()
        if turn == nil && notes.isEmpty && streams.isEmpty { return nil }
        defer { turn = nil }
        return ClosedTurn(turn: turn, streams: streams)
    }

    /// The batch of a turn, good until the machine is used again.
    func batch(of closed: ClosedTurn) -> ChangeBatch {
        ChangeBatch(
            store: store, since: closed.turn?.snapshot ?? store.generation,
            notes: notes.all(with: closed.streams), endsWithBoot: closed.turn == nil && notes.isEmpty)
    }

    /// Storage has taken all that the turn has changed.
    mutating func committed(_ closed: ClosedTurn) {
        notes.clear()
        streamsAreNoted(closed.streams)
        closeSnapshot(of: closed)
    }

    /// Storage has taken nothing: nothing has happened, the store is as before, and those who changed something
    /// are answered EIO.
    mutating func rolledBack(_ closed: ClosedTurn) {
        if let turn = closed.turn { takeBack(turn) }
        closeSnapshot(of: closed)
    }

    private func closeSnapshot(of closed: ClosedTurn) {
        if let closed = closed.turn, turn == nil { store.closeSnapshot(closed.snapshot, undoable: true) }
    }

    /// The turn goes on until storage has taken that domains have died.
    private mutating func goOn(_ turn: Turn) {
        if turn.dead.isEmpty { return }
        self.turn = Turn(snapshot: turn.snapshot)
        self.turn?.dead = turn.dead.map { Turn.Dead(id: $0.id, mustTell: false) }
        for session in touched { session.turnStart = session.outbox.position }
    }

    private mutating func takeBack(_ turn: Turn) {
        let kept = turn.entries.map { entry in fate(of: entry, in: turn) }
        let lost = dropTransactions(startedIn: turn)
        for session in touched where session.isOpen { truncate(session, to: session.turnStart) }
        store.undoToNewestSnapshot()
        for (transaction, session) in lost {
            transaction.lose(of: store, reader: reader(for: session, transaction.number))
            accounts.settleCharge(of: transaction, session)
        }
        // What has died stays dead, whatever storage does. What this tells is true in any case.
        for domain in turn.dead { clear(domain) }
        for (entry, fate) in zip(turn.entries, kept) where entry.session.isOpen {
            answerAgain(entry, fate)
        }
        goOn(turn)
    }

    /// What becomes of a request of a turn that is taken back.
    private enum Fate {
        /// It changed something, or saw a change: EIO.
        case refused
        /// It read what has been taken back: it is carried out again.
        case repeated
        /// It has nothing to do with the store as it was in this turn: its answer stands.
        case kept([UInt8])
    }

    private func fate(of entry: TurnEntry, in turn: Turn) -> Fate {
        guard let operation = Operation(rawValue: entry.header.type) else { return .repeated }
        let answer = entry.session.answer(from: entry.begin.position, to: entry.end)
        let isOfTree = operation.changesTree || operation.readsTree
        switch operation {
        case .transactionEnd:
            return entry.payload.first == UInt8(ascii: "T") ? .refused : .kept(answer)
        case .transactionStart:
            return startedTransaction(entry, in: turn) == nil ? .kept(answer) : .refused
        case _ where !isOfTree:
            return .kept(answer)
        case _ where entry.header.transaction != 0:
            return entry.begin.moment.map { $0 > turn.snapshot } == true ? .refused : .kept(answer)
        default:
            return operation.changesTree ? .refused : .repeated
        }
    }

    /// The transaction that the entry's request started, if it shows what is taken back.
    private func startedTransaction(_ entry: TurnEntry, in turn: Turn) -> Transaction? {
        let answer = entry.session.answer(from: entry.begin.position, to: entry.end)
        let number = answer.dropFirst(Header.size).withUnsafeBytes { $0.leadingNumber.value }
        guard let number = UInt32(exactly: number), let started = entry.session.transactions[number],
            started.start > turn.snapshot
        else { return nil }
        return started
    }

    /// Drops the transactions that show what is taken back. Those that only see it since they were lost in this
    /// turn are returned: they have to be shown another store.
    private func dropTransactions(startedIn turn: Turn) -> [(Transaction, Session)] {
        var lost: [(Transaction, Session)] = []
        for session in sessions {
            for transaction in session.transactions.values {
                if transaction.start > turn.snapshot {
                    session.transactions[transaction.number] = nil
                    drop(transaction, of: session)
                } else if let draft = transaction.draft, draft.moment > turn.snapshot {
                    transaction.close()
                    lost.append((transaction, session))
                }
            }
        }
        return lost
    }

    private mutating func answerAgain(_ entry: TurnEntry, _ fate: Fate) {
        switch fate {
        case .refused:
            sendError(.EIO, entry.header, entry.session, Cause(entry.session))
            touch(entry.session)
        case .repeated:
            entry.payload.withUnsafeBytes { handle(entry.header, $0, entry.session) }
        case .kept(let answer):
            answer.withUnsafeBytes { resend($0, to: entry.session) }
        }
    }
}

extension Session {
    /// What was appended to the stream between two positions, as long as it is all unsent.
    fileprivate func answer(from start: UInt64, to end: UInt64) -> [UInt8] {
        let first = outbox.sentPosition
        guard isOpen, start >= first, end >= start, end <= outbox.position else { return [] }
        return Array(outbox.bytes[Int(start - first)..<Int(end - first)])
    }
}

extension Operation {
    /// Whether the operation is answered from the tree.
    var readsTree: Bool {
        switch self {
        case .read, .directory, .directoryPart, .getPermissions: true
        default: false
        }
    }
}
