// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The state machine: takes what clients have sent, answers it, and says what must be stored and sent.
///
/// It is deterministic, and touches nothing outside: time, randomness and input come from the engine, which also stores
/// and sends. It composes the owners of all state. Each of them uses only those that are made before it.
package final class Kernel {
    let trace: Trace
    let accounts: Accounts
    let store: Store
    let sessions = Sessions()
    let schedule = Schedule()
    let notes: Notes
    let flow: FlowControl
    let unsent: Unsent
    let watches: Watches
    let journal: Journal
    let domains: Domains
    let limits: RuntimeLimits
    let intake: Intake
    private let streams: Streams
    private let transactions: Transactions
    private let rollback: Rollback

    /// Makes a kernel over an empty store. `keepsBatches`: storage wants to learn what each turn has changed. `seed`
    /// should be unpredictable, so that guests cannot choose names whose hashes collide.
    package init(
        keepsBatches: Bool, policies: [any Policy], seed: UInt64, log: @escaping (LogLevel, String) -> Void
    ) {
        trace = Trace(log: log)
        accounts = Accounts(policies: policies, log: log)
        store = Store(ledger: accounts.ledger, hashing: PathHash(seed: seed), rootPermissions: .ofControl)
        accounts.find(detached: { [history = store.history] in history.detachedUsage(of: $0) })
        notes = Notes(areKept: keepsBatches)
        streams = Streams(notes: notes, sessions: sessions)
        flow = FlowControl(sessions: sessions, accounts: accounts, schedule: schedule)
        unsent = Unsent(sessions: sessions, accounts: accounts, flow: flow, streams: streams, log: log)
        watches = Watches(store: store, accounts: accounts, schedule: schedule, notes: notes)
        transactions = Transactions(store: store, accounts: accounts, log: log)
        journal = Journal(store: store, sessions: sessions, notes: notes, streams: streams)
        limits = RuntimeLimits(accounts: accounts, notes: notes, sessions: sessions, unsent: unsent, flow: flow)

        let events = Events(
            ledger: accounts.ledger, schedule: schedule, unsent: unsent, hashing: store.hashing, trace: trace)
        // The first one reads the paths of requests. The second one reads those that the kernel makes meanwhile.
        let (scanner, innerScanner) = (PathScanner(hashing: store.hashing), PathScanner(hashing: store.hashing))
        let checks = Checks(of: store)
        let changes = Changes(
            store: store, watches: watches, events: events, schedule: schedule, scanner: innerScanner,
            areStored: keepsBatches)
        domains = Domains(
            connections: Connections(
                sessions: sessions, accounts: accounts, flow: flow, unsent: unsent, watches: watches,
                transactions: transactions, checks: checks, streams: streams, notes: notes, scanner: innerScanner),
            accounts: accounts, schedule: schedule, journal: journal, notes: notes,
            specials: SpecialEvents(store: store, watches: watches, events: events, scanner: innerScanner),
            estates: Estates(store: store, changes: changes, scanner: scanner), log: log)

        let replies = Replies(unsent: unsent, events: events, trace: trace)
        let router = Router(
            store: store, domains: domains, journal: journal, replies: replies, trace: trace,
            transactions: transactions,
            handlers: Handlers(
                scanner: scanner, innerScanner: innerScanner, store: store, accounts: accounts, schedule: schedule,
                flow: flow, watches: watches, events: events, changes: changes, transactions: transactions,
                journal: journal, domains: domains, limits: limits, checks: checks, trace: trace))
        intake = Intake(
            sessions: sessions, accounts: accounts, schedule: schedule, flow: flow, checks: checks, router: router,
            log: log)
        rollback = Rollback(
            store: store, sessions: sessions, transactions: transactions, unsent: unsent, domains: domains,
            journal: journal, replies: replies, router: router)
    }
}

// MARK: - Connections

extension Kernel {
    package func connect(_ link: any Link, as peer: Peer, at indexes: StreamIndexes) -> Session {
        domains.connect(link, as: peer, at: indexes)
    }

    package func reconnect(_ link: any Link, as peer: Peer) -> Session { domains.reconnect(link, as: peer) }

    package func disconnect(_ session: Session) { domains.disconnect(session) }

    package func reset(_ session: Session) { domains.reset(session) }

    /// Handles what the session's peer has sent. Returns whether ``nextReadingChange()`` has something to tell.
    @inline(__always)
    package func receive(_ bytes: UnsafeRawBufferPointer, on session: Session) -> Bool {
        intake.receive(bytes, on: session)
        return sessions.haveReadingChanges
    }

    package func receivedEnd(on session: Session) {
        guard session.isOpen else { return }
        session.isFinished = true
        sessions.touch(session)
    }

    /// The session's link has sent bytes. Returns whether ``nextReadingChange()`` has something to tell.
    package func sent(_ count: Int, on session: Session) -> Bool {
        if session.isOpen {
            unsent.sent(count, of: session)
            if session.blockedBy != nil { flow.reconsider(session) }
            if session.isFinished, !session.hasUnsent { sessions.touch(session) }
        }
        return sessions.haveReadingChanges
    }

    package func resumeSending(on session: Session) {
        if session.isOpen, session.hasUnsent { sessions.touch(session) }
    }

    package func indexesMoved(on session: Session, from old: StreamIndexes, to new: StreamIndexes) {
        session.position.moveIndexes(from: old, to: new)
        sessions.touch(session)
    }

    /// The next session whose link must learn that it may read, or may not.
    @inline(__always)
    package func nextReadingChange() -> Session? { sessions.nextReadingChange() }
}

// MARK: - Domains

extension Kernel {
    package func serveDomains(by transport: any DomainTransport) { domains.serve(by: transport) }

    /// Serves the domains that were introduced before the daemon was restarted, and removes what belongs to those that
    /// have died meanwhile. To be called once, when all transports have started.
    package func resumeDomains() { domains.resume() }

    package func domainsChanged() { domains.refreshAll() }

    /// Whether a turn had no room for all that has happened to domains.
    package var mustGoOnWithDomains: Bool { domains.mustGoOn }

    package func goOnWithDomains() { domains.goOn() }
}

// MARK: - Turns

extension Kernel {
    /// Begins the end of a turn, and sets the clock.
    package func beginEndOfTurn(at now: Moment) { accounts.setClock(to: now) }

    /// Whether clients have requests for which the turn had no room.
    package var hasBacklog: Bool { !schedule.backlog.isEmpty }

    /// Serves clients that had no place in the turn, as far as there is room.
    package func serveBacklog() { intake.serveBacklog() }

    /// When a turn ends at the latest that waits for more clients, since storage is so patient. Nil if it ends now.
    package func putOffTurn(patience: UInt64) -> Moment? {
        patience == 0 ? nil : journal.putOff(patience: patience, at: accounts.now)
    }

    /// The changes of the turn, for storage. Nil if there are none. Call either ``committed(_:)`` or ``rolledBack(_:)``
    /// next.
    package func closeTurn() -> ClosedTurn? {
        schedule.beginTurn()
        transactions.giveUpOverdrawn()
        return journal.close()
    }

    /// The batch of a turn. It is valid until the kernel is used again.
    package func batch(of closed: ClosedTurn) -> ChangeBatch { journal.batch(of: closed) }

    /// Storage has taken all changes of the turn.
    package func committed(_ closed: ClosedTurn) { journal.committed(closed) }

    /// Storage has failed. The kernel undoes the changes of the turn, and answers EIO to the clients that made them.
    package func rolledBack(_ closed: ClosedTurn) { rollback.undo(closed) }

    /// Whether the turn has done something that storage has to take before anybody is answered.
    package var hasChanges: Bool { journal.hasChanges }

    /// The next session whose replies depend on no change, so that they can go out before the turn ends.
    package func nextAnswered(_ index: inout Int) -> Session? {
        journal.hasChanges ? nil : sessions.nextAnswered(&index)
    }

    /// The next session to flush at the end of the turn.
    @inline(__always)
    package func nextToFlush(_ index: inout Int) -> Session? { sessions.nextToFlush(&index) }

    /// The session was flushed. Returns true if it has ended now, and its link must be closed.
    package func flushed(_ session: Session) -> Bool {
        if !session.isOpen { return false }
        flow.reconsider(session)
        session.position.beginTurn()
        let isDone = session.isFinished && !session.hasUnsent && !session.isBacklogged
        if session.isEnding || isDone {
            domains.disconnect(session)
            return true
        }
        unsent.awaitDeadlines(of: session)
        return false
    }

    /// All sessions were flushed. Returns how long the event loop may sleep. `storageLoad`: see `Storage.load`.
    package func finishTurn(storageLoad: Int) -> Wait {
        schedule.storageLoad = storageLoad
        if nothingWaits { return .forever }
        let mustFree = store.history.mustFree && store.history.freeSlice()
        var deadline = min(flow.expireReservation(), unsent.expire())
        if hasBacklog { deadline = min(deadline, accounts.now.advanced(byMilliseconds: Kernel.storagePause)) }
        if schedule.isBacklogReady || !sessions.touched.isEmpty || mustFree || domains.mustGoOn { return .none }
        return deadline.map { .until($0) } ?? .forever
    }

    /// Whether nobody and nothing waits for another turn. This is usual, and to ask it first is much cheaper.
    private var nothingWaits: Bool {
        sessions.touched.isEmpty && !hasBacklog && !store.history.mustFree && !unsent.awaitsDeadlines
            && !flow.reservations.isOpen && !domains.mustGoOn
    }

    private func min(_ a: Moment?, _ b: Moment?) -> Moment? {
        guard let a, let b else { return a ?? b }
        return Swift.min(a, b)
    }

    /// How long guests wait before the kernel looks at storage again, in milliseconds.
    private static let storagePause: UInt64 = 2
}

// MARK: - Operators

extension Kernel {
    /// The limits that were set at run time and are in force.
    package var limitSettings: [LimitSetting] { accounts.limits?.settings ?? [] }

    /// Policies have taken a changed configuration. `before`: the limits that were set at run time and were in force.
    package func policiesAreReloaded(before: [LimitSetting]) { limits.areReloaded(before: before) }

    /// Hands every message to `tracer` as long as the switch `io` is on. Without a tracer they go to the log.
    package func trace(to tracer: @escaping (TraceEntry) -> Void) { trace.tracer = tracer }

    /// Turns classes of the trace on or off as CONTROL `log` does: `+io`. Returns false for an unknown word.
    package func setLogSwitch(_ word: String) -> Bool { trace.switches.set(word) }
}

// MARK: - Start

extension Kernel {
    /// Makes the nodes that no storage keeps, and returns the loader for those that storage keeps.
    package func makeLoader() -> StoreLoader {
        store.createSpecial("@introduceDomain", permissions: .ofControl)
        // Every domain may wait for the end of others (Xen 4.22).
        store.createSpecial(
            "@releaseDomain", permissions: PermissionList([Permission([], .control), Permission(.read, .any)]))
        return StoreLoader(store: store)
    }

    /// Goes on from what storage has kept, and makes the nodes that every store has. Returns these as a turn, if
    /// storage does not have them yet.
    package func begin(with loader: StoreLoader) -> ClosedTurn? {
        let records = loader.notes.compactMap { key, value in Record.Key(key).flatMap { Record($0, value) } }
        if !records.isEmpty { domains.takeOver(Handover(records)) }
        let scanner = PathScanner(hashing: store.hashing)
        for path in ["/tool", "/tool/xenstored"] as [StaticString] {
            guard let path = try? scanner.scan(UnsafeRawBufferPointer(path), home: .control),
                !store.find(path).exists
            else { continue }
            journal.openTurn()
            store.create(
                path, parent: store.find(path.parent), permissions: store.permissions.retain(.ofControl),
                value: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        return closeTurn()
    }
}

extension PermissionList {
    /// Dom0 owns the node, and no guest has a right to it.
    fileprivate static var ofControl: PermissionList { PermissionList([Permission([], .control)]) }
}
