// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The state machine: takes what peers have sent, answers it, and says what is to be stored and sent.
///
/// It is deterministic, and does nothing outside: time, randomness and input come from ``Kernel``, which also
/// stores and sends. It composes the owners of all state; each of them uses only those that are made before it.
///
/// It asks policies and the domain transport. One that called back into it would need it while it is changing: a debug
/// build stops there.
struct Machine: ~Copyable {
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

    init(keepsBatches: Bool, policies: [any Policy], seed: UInt64, log: @escaping (LogLevel, String) -> Void) {
        trace = Trace(log: log)
        accounts = Accounts(policies: policies, log: log)
        store = Store(ledger: accounts.ledger, hashing: PathHash(seed: seed), rootPermissions: .ofControl)
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
        let changes = Changes(
            store: store, watches: watches, events: events, schedule: schedule, areStored: keepsBatches)
        // One reads the paths of requests. Another one reads those that the kernel makes itself meanwhile.
        let (scanner, innerScanner) = (PathScanner(hashing: store.hashing), PathScanner(hashing: store.hashing))
        domains = Domains(
            connections: Connections(
                sessions: sessions, accounts: accounts, flow: flow, unsent: unsent, watches: watches,
                transactions: transactions, streams: streams, notes: notes, scanner: innerScanner),
            accounts: accounts, schedule: schedule, journal: journal, notes: notes,
            specials: SpecialEvents(store: store, watches: watches, events: events, scanner: innerScanner),
            estates: Estates(store: store, changes: changes, ledger: accounts.ledger, scanner: scanner), log: log)

        let replies = Replies(unsent: unsent, events: events, trace: trace)
        let router = Router(
            store: store, domains: domains, journal: journal, replies: replies, trace: trace,
            transactions: transactions,
            handlers: Handlers(
                scanner: scanner, innerScanner: innerScanner, store: store, accounts: accounts, schedule: schedule,
                flow: flow, watches: watches, events: events, changes: changes, transactions: transactions,
                journal: journal, domains: domains, limits: limits, trace: trace))
        intake = Intake(
            sessions: sessions, accounts: accounts, schedule: schedule, flow: flow, router: router, log: log)
        rollback = Rollback(
            store: store, sessions: sessions, transactions: transactions, unsent: unsent, domains: domains,
            journal: journal, replies: replies, router: router)
    }
}

// MARK: - Sessions

extension Machine {
    mutating func sent(_ count: Int, on session: Session) {
        guard session.isOpen else { return }
        unsent.sent(count, of: session)
        if session.blockedBy != nil { flow.reconsider(session) }
        if session.isFinished, !session.hasUnsent { sessions.touch(session) }
    }

    mutating func receivedEnd(on session: Session) {
        guard session.isOpen else { return }
        session.isFinished = true
        sessions.touch(session)
    }

    mutating func resumeSending(on session: Session) {
        if session.isOpen, session.hasUnsent { sessions.touch(session) }
    }

    mutating func indexesMoved(on session: Session, from old: StreamIndexes, to new: StreamIndexes) {
        session.position.moveIndexes(from: old, to: new)
        sessions.touch(session)
    }

    /// The session was flushed. True if it has ended with that, and its link is to be closed.
    mutating func flushed(_ session: Session) -> Bool {
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
}

// MARK: - Turns

extension Machine {
    /// What the turn has changed, to be handed to storage; nil if there is nothing. Either ``committed(_:)`` or
    /// ``rolledBack(_:)`` comes next.
    mutating func closeTurn() -> ClosedTurn? {
        schedule.beginTurn()
        transactions.giveUpOverdrawn()
        return journal.close()
    }

    /// Storage has taken all that the turn has changed.
    mutating func committed(_ closed: ClosedTurn) { journal.committed(closed) }

    /// Storage has taken nothing.
    mutating func rolledBack(_ closed: ClosedTurn) { rollback.takeBack(closed) }

    /// All was flushed. Says how long the event loop may sleep.
    mutating func finishTurn(storageLoad: Int) -> Wait {
        schedule.storageLoad = storageLoad
        let hasLeftovers = store.history.hasLeftovers && store.history.freeLeftovers()
        var deadline = min(flow.expireReservation(), unsent.expire())
        if !schedule.backlog.isEmpty {
            deadline = min(deadline, accounts.now.advanced(byMilliseconds: Machine.storagePause))
        }
        if schedule.isBacklogReady || !sessions.touched.isEmpty || hasLeftovers { return .none }
        return deadline.map { .until($0) } ?? .forever
    }

    private func min(_ a: Moment?, _ b: Moment?) -> Moment? {
        guard let a, let b else { return a ?? b }
        return Swift.min(a, b)
    }

    /// How long guests wait before storage is looked at again, in milliseconds.
    private static let storagePause: UInt64 = 2
}

// MARK: - Start

extension Machine {
    /// Makes the nodes that are in no storage, and returns who takes over what storage has kept.
    mutating func makeLoader() -> StoreLoader {
        store.createSpecial("@introduceDomain", permissions: .ofControl)
        // Every domain may wait for others to go (Xen 4.22).
        store.createSpecial(
            "@releaseDomain", permissions: PermissionList([Permission([], .control), Permission(.read, .any)]))
        return StoreLoader(store: store)
    }

    /// Goes on from what storage has kept, and makes what every store has: returns that, as far as storage lacks it.
    mutating func begin(with loader: StoreLoader) -> ClosedTurn? {
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
    /// Dom0 owns the node, and nobody else may touch it.
    fileprivate static var ofControl: PermissionList { PermissionList([Permission([], .control)]) }
}
