// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The door to the state machine: takes what transports have read, has storage keep what a turn has changed, and
/// only then has links send what was answered.
///
/// One thread drives it. Links and transports may call it whenever they are called, and at any other time; a
/// ``DomainTransport`` that is asked to introduce or release a domain must not.
public final class Kernel {
    private let storage: any Storage
    private(set) var machine: Machine
    private let log: (LogLevel, String) -> Void

    /// Makes a kernel over an empty store, or over what `storage` has kept.
    ///
    /// `seed` should be unpredictable: it keeps guests from choosing names whose hashes collide.
    /// `log` gets what an operator should know.
    public init(
        storage: any Storage, policies: [any Policy], seed: UInt64,
        log: @escaping (LogLevel, String) -> Void
    ) throws(StorageError) {
        self.storage = storage
        self.log = log
        machine = Machine(keepsBatches: storage.wantsBatches, policies: policies, seed: seed, log: log)
        let loader = machine.makeLoader()
        try storage.load(into: loader)
        if loader.count > 0 { log(.info, "storage \(type(of: storage).name): \(loader.count) nodes") }
        if let made = machine.begin(with: loader) {
            try storage.commit(machine.journal.batch(of: made))
            machine.committed(made)
        }
    }

    // MARK: Sessions

    /// A client has connected. The kernel keeps `link` until the session ends.
    ///
    /// `indexes` is how far the streams have got with a peer that was there before: it goes on from there,
    /// or from where the daemon before this one has noted that it got.
    public func connect(_ link: any Link, as peer: Peer, at indexes: StreamIndexes = StreamIndexes()) -> Session {
        // Links are told at the end of the turn whether they may read: this one has no session yet.
        machine.domains.connect(link, as: peer, at: indexes)
    }

    /// The peer wants to begin again over a ring that was given up since it broke the protocol: it is
    /// served again, as after INTRODUCE.
    public func reconnect(_ link: any Link, as peer: Peer) -> Session {
        machine.domains.reconnect(link, as: peer)
    }

    /// The peer is gone. The transport closes the connection itself; the session must not be used
    /// any more.
    public func disconnect(_ session: Session) {
        machine.domains.disconnect(session)
        tellReadingChanges()
    }

    /// The peer wants to begin again over the same ring: its watches, its transactions, and all that
    /// is on the way either way are dropped. The session stays.
    public func reset(_ session: Session) {
        machine.domains.reset(session)
        tellReadingChanges()
    }

    // MARK: Bytes

    /// Bytes have come from the peer. They are answered in place or kept; the buffer is free again
    /// when this returns.
    public func receive(_ bytes: UnsafeRawBufferPointer, on session: Session) {
        machine.intake.receive(bytes, on: session)
        tellReadingChanges()
    }

    /// The peer sends no more, but may still read: the session ends when it has been answered.
    public func receivedEnd(on session: Session) { machine.receivedEnd(on: session) }

    /// `count` of the session's unsent bytes have gone out.
    public func sent(_ count: Int, on session: Session) {
        machine.sent(count, on: session)
        tellReadingChanges()
    }

    /// The peer has made room for more of what is to be sent. The session is flushed when the turn
    /// ends, not before: what this turn has answered is not safe to be seen until then.
    public func resumeSending(on session: Session) { machine.resumeSending(on: session) }

    /// The peer has moved the indexes itself, such as hvmloader, which clears the whole page before it
    /// starts what comes after it: from now on they count from elsewhere.
    public func indexesMoved(on session: Session, from old: StreamIndexes, to new: StreamIndexes) {
        machine.indexesMoved(on: session, from: old, to: new)
    }

    // MARK: Domains

    /// The transport that reaches domains has started: INTRODUCE is routed to it from now on.
    public func serveDomains(by transport: any DomainTransport) { machine.domains.serve(by: transport) }

    /// Serves the domains that were introduced before the daemon was restarted, and puts away what
    /// belongs to those that have died meanwhile. To be called once, when all transports have started.
    public func resumeDomains() {
        machine.domains.resume()
        tellReadingChanges()
    }

    /// Some domain has changed its state (VIRQ_DOM_EXC): looks at all that matter here.
    public func domainsChanged() {
        machine.domains.refreshAll()
        tellReadingChanges()
    }

    // MARK: Turns

    /// Ends a turn: what changed goes to storage, then replies and events are flushed.
    public func endTurn(at now: Moment) -> Wait {
        machine.accounts.setClock(to: now)
        if !machine.schedule.backlog.isEmpty {
            // What is done by now need not wait for those who have much to be done. Where a commit is dear, only
            // what hangs on none.
            if storage.patience == 0 { commitAndFlush() } else { flushAnswers() }
            machine.intake.serveBacklog()
            tellReadingChanges()
        }
        if let moment = machine.journal.putOff(patience: storage.patience, at: now) { return .gathering(until: moment) }
        commitAndFlush()
        return machine.finishTurn(storageLoad: storage.load)
    }

    private func commitAndFlush() {
        if let closed = machine.closeTurn() { commit(closed) }
        flush()
    }

    /// If storage fails, nothing has happened: those who changed something are answered EIO.
    private func commit(_ closed: ClosedTurn) {
        do throws(StorageError) {
            try storage.commit(machine.journal.batch(of: closed))
            machine.committed(closed)
            if machine.journal.isStorageFailing, !storage.lacksRoom {
                log(.notice, "storage \(type(of: storage).name) works again")
                machine.journal.isStorageFailing = false
            }
        } catch {
            if !machine.journal.isStorageFailing {
                log(.error, "storage \(type(of: storage).name): \(error); changes are refused with EIO until it works")
            }
            machine.journal.isStorageFailing = true
            machine.rolledBack(closed)
        }
    }

    /// Sends the answers that hang on no change, so that they need not wait for those who have much to be done.
    private func flushAnswers() {
        if machine.journal.hasChanges { return }
        var index = 0
        while let session = machine.sessions.nextAnswered(&index) { session.link.flush(session) }
    }

    private func flush() {
        var index = 0
        while let session = machine.sessions.nextToFlush(&index) {
            if session.hasUnsent || session.outlivesDaemon { session.flush() }
            if machine.flushed(session) { session.link.close(session.endReason) }
        }
        tellReadingChanges()
    }

    /// Links stop reading from their peers, or resume.
    private func tellReadingChanges() {
        while let session = machine.sessions.nextReadingChange() { session.link.readingChanged(session) }
    }

    // MARK: Operators

    /// Lets policies take over a changed configuration by `reload`. What was set at run time and does not stand
    /// any more is forgotten by storage, too.
    public func reloadPolicies(_ reload: () throws -> Void) rethrows {
        let before = machine.accounts.limits?.settings ?? []
        defer {
            machine.limits.areReloaded(before: before)
            tellReadingChanges()
        }
        try reload()
    }

    /// Hands every message to `tracer` as long as the switch `io` is on; without one, they go to the
    /// log.
    public func trace(to tracer: @escaping (TraceEntry) -> Void) { machine.trace.tracer = tracer }

    /// Turns classes of the trace on or off as CONTROL `log` does: `+io`. False for an unknown one.
    public func setLogSwitch(_ word: String) -> Bool { machine.trace.switches.set(word) }
}

/// How long the event loop may sleep after a turn.
public enum Wait: Sendable, Equatable {
    /// Until a descriptor is ready.
    case forever
    /// Not at all: there is work left over from this turn.
    case none
    /// Until a descriptor is ready, but to the nanosecond no longer than this: the turn is not over.
    case gathering(until: Moment)
    /// Until a descriptor is ready, but no longer than this.
    case until(Moment)
}

/// How loud a line of the log is.
public enum LogLevel: UInt8, Sendable, Comparable {
    case debug, info, notice, warning, error
    public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}
