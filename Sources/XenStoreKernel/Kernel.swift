// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The door to the state machine: takes what transports have read, has storage keep what a turn has changed, and
/// only then has links send what was answered.
///
/// One thread drives it. Transports see it as their `PluginHost`.
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

    /// Serves the domains that were introduced before the daemon was restarted, and puts away what
    /// belongs to those that have died meanwhile. To be called once, when all transports have started.
    public func resumeDomains() {
        machine.domains.resume()
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

// MARK: - What transports call

extension Kernel: PluginHost {
    public func connect(_ link: any Link, as peer: Peer, at indexes: StreamIndexes) -> Connection {
        defer { tellReadingChanges() }
        return machine.domains.connect(link, as: peer, at: indexes)
    }

    public func reconnect(_ link: any Link, as peer: Peer) -> Connection {
        defer { tellReadingChanges() }
        return machine.domains.reconnect(link, as: peer)
    }

    public func disconnect(_ connection: Connection) {
        machine.domains.disconnect(session(of: connection))
        tellReadingChanges()
    }

    public func reset(_ connection: Connection) {
        machine.domains.reset(session(of: connection))
        tellReadingChanges()
    }

    public func receive(_ bytes: UnsafeRawBufferPointer, on connection: Connection) {
        machine.intake.receive(bytes, on: session(of: connection))
        tellReadingChanges()
    }

    public func receivedEnd(on connection: Connection) { machine.receivedEnd(on: session(of: connection)) }

    public func sent(_ count: Int, on connection: Connection) {
        machine.sent(count, on: session(of: connection))
        tellReadingChanges()
    }

    public func resumeSending(on connection: Connection) { machine.resumeSending(on: session(of: connection)) }

    public func indexesMoved(on connection: Connection, from old: StreamIndexes, to new: StreamIndexes) {
        machine.indexesMoved(on: session(of: connection), from: old, to: new)
    }

    public func serveDomains(by transport: any DomainTransport) { machine.domains.serve(by: transport) }

    public func domainsChanged() {
        machine.domains.refreshAll()
        tellReadingChanges()
    }

    /// Each connection is a session: nobody else can make one, as the initializer of `Connection` belongs to this
    /// package. So no check is needed, which each request would pay for.
    private func session(of connection: Connection) -> Session { unsafeDowncast(connection, to: Session.self) }
}
