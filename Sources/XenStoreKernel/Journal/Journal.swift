// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The journal of the turn in hand: one batch per turn, and no answer leaves before storage has taken it.
final class Journal {
    private let store: Store
    private let sessions: Sessions
    private let notes: Notes
    private let streams: Streams
    /// Nil as long as the turn has changed nothing.
    private var turn: Turn?
    /// The one to be used next.
    private var spare: Turn?
    /// Who is waited for before a turn ends.
    private var gathering = Gathering()
    /// The last commit has failed.
    private var isStorageFailing = false

    init(store: Store, sessions: Sessions, notes: Notes, streams: Streams) {
        self.store = store
        self.sessions = sessions
        self.notes = notes
        self.streams = streams
    }

    /// Whether storage wants to know what changes.
    @inline(__always) var isKept: Bool { notes.areKept }
    /// Whether the turn has done something that storage has to take before anybody is answered.
    var hasChanges: Bool { turn != nil || !notes.isEmpty }

    // MARK: In a turn

    /// From here on the turn can be taken back, and with it the answer of the request in hand.
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

    /// A request was handled whose answer begins at `start` in the stream to its session. `moment`: see
    /// ``TurnEntry/moment``.
    @inline(__always)
    func note(
        _ header: Header, _ payload: UnsafeRawBufferPointer, of session: Session, start: UInt64, moment: UInt64?
    ) {
        if let turn { turn.note(header, payload, of: session, start: start, moment: moment) }
    }

    /// A domain has died in this turn.
    func note(_ domain: DeadDomain) { turn?.note(domain) }

    // MARK: At its end

    /// Until when the turn is put off for a storage that is so patient, or nil if it ends now.
    func putOff(patience: UInt64, at now: Moment) -> Moment? {
        if turn == nil || isStorageFailing || patience == 0 { return nil }
        if let moment = gathering.deadline(for: sessions.touched, patience: patience, now: now) { return moment }
        gathering.end(sessions.touched)
        return nil
    }

    /// What the turn has changed, to be handed to storage; nil if there is nothing.
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

    /// The batch of a turn, good until the store changes.
    func batch(of closed: ClosedTurn) -> ChangeBatch {
        ChangeBatch(
            of: store, since: closed.turn?.snapshot ?? store.generation,
            notes: notes.all(with: closed.streams), endsWithBoot: closed.turn == nil && notes.isEmpty)
    }

    /// Storage has taken all that the turn has changed.
    func committed(_ closed: ClosedTurn) {
        isStorageFailing = false
        notes.clear()
        streams.areNoted(closed.streams)
        forget(closed)
    }

    // MARK: Taken back

    /// Storage has failed. Until it works again, no turn is put off for it.
    func failed() { isStorageFailing = true }

    /// The turn goes on until storage has taken that domains have died in it.
    func goOn(after turn: Turn) {
        if turn.dead.isEmpty { return }
        open(since: turn.snapshot)
        for domain in turn.dead { self.turn?.note(DeadDomain(id: domain.id, mustTell: false)) }
    }

    /// Nothing of the turn is needed any more. Its snapshot closes, unless the turn goes on.
    func forget(_ closed: ClosedTurn) {
        guard let closed = closed.turn else { return }
        if turn == nil { store.history.closeSnapshot(closed.snapshot, undoable: true) }
        closed.clear()
        spare = closed
    }
}
