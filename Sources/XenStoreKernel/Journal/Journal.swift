// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The journal of the turn: one batch per turn, and no reply leaves before storage has taken the batch.
final class Journal {
    private let store: Store
    private let sessions: Sessions
    private let notes: Notes
    private let streams: Streams
    /// Nil while the turn has changed nothing.
    private var turn: Turn?
    /// The object for the next turn.
    private var spare: Turn?
    /// Decides which clients a turn waits for.
    private var gathering = Gathering()
    /// Whether the last commit has failed.
    private var isStorageFailing = false

    init(store: Store, sessions: Sessions, notes: Notes, streams: Streams) {
        self.store = store
        self.sessions = sessions
        self.notes = notes
        self.streams = streams
    }

    /// Whether storage wants to learn about changes.
    @inline(__always) var isKept: Bool { notes.areKept }
    /// Whether storage must take something of this turn before anybody gets a reply.
    var hasChanges: Bool { turn != nil || !notes.isEmpty }

    // MARK: In a turn

    /// Opens the journal before the first change of a turn: from here on the kernel can undo the turn, and the reply to
    /// this request.
    @inline(__always)
    func openTurn() {
        if isKept, turn == nil { open() }
    }

    private func open() { open(since: store.history.openSnapshot(undoable: true)) }

    private func open(since snapshot: UInt64) {
        sessions.beginTurn()
        sessions.setGate(isOpen: true)
        let turn = spare ?? Turn()
        spare = nil
        turn.begin(snapshot: snapshot)
        self.turn = turn
    }

    /// Adds a request that was handled. Its reply begins at `start` in the stream to its session. `generation`: see
    /// ``TurnEntry/generation``.
    @inline(__always)
    func add(
        _ header: Header, _ payload: UnsafeRawBufferPointer, of session: Session, start: UInt64, generation: UInt64?
    ) {
        if let turn { turn.add(header, payload, of: session, start: start, generation: generation) }
    }

    /// Adds a domain that has died in this turn.
    func add(_ domain: DeadDomain) { turn?.add(domain) }

    // MARK: At its end

    /// When a turn ends at the latest that waits for more clients, since storage is so patient. Nil if it ends now.
    func putOff(patience: UInt64, at now: Moment) -> Moment? {
        if turn == nil || isStorageFailing || patience == 0 { return nil }
        if let deadline = gathering.deadline(for: sessions.touched, patience: patience, now: now) { return deadline }
        gathering.end(sessions.touched)
        return nil
    }

    /// The changes of the turn, for storage. Nil if there are none.
    func close() -> ClosedTurn? {
        if !isKept { return nil }
        let streamNotes = streams.notes(hasBatch: hasChanges)
        if !hasChanges && streamNotes.isEmpty { return nil }
        defer {
            turn = nil
            sessions.setGate(isOpen: false)
        }
        return ClosedTurn(turn: turn, streams: streamNotes)
    }

    /// The batch of a turn. It is valid until the store changes.
    func batch(of closed: ClosedTurn) -> ChangeBatch {
        ChangeBatch(
            of: store, since: closed.turn?.snapshot ?? store.generation,
            notes: notes.all(with: closed.streams), endsWithBoot: closed.turn == nil && notes.isEmpty)
    }

    /// Storage has taken all changes of the turn.
    func committed(_ closed: ClosedTurn) {
        isStorageFailing = false
        notes.clear()
        streams.areNoted(closed.streams)
        forget(closed)
    }

    // MARK: Undone

    /// Storage has failed. Until it works again, no turn waits for more clients.
    func failed() { isStorageFailing = true }

    /// Keeps the journal open until storage has taken the removal of the dead domains.
    func goOn(after turn: Turn) {
        if turn.dead.isEmpty { return }
        open(since: turn.snapshot)
        for domain in turn.dead { self.turn?.add(DeadDomain(id: domain.id, mustTell: false)) }
    }

    /// Drops the turn. Its snapshot closes, unless the journal was opened again.
    func forget(_ closed: ClosedTurn) {
        guard let closed = closed.turn else { return }
        if turn == nil { store.history.closeSnapshot(closed.snapshot, undoable: true) }
        closed.clear()
        spare = closed
    }
}
