// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The minimal kernel: takes requests from sessions, answers them, and lets storage have what
/// changed.
///
/// One thread drives it, and it is deterministic: time, randomness and input come in from outside.
public final class Kernel {
    let storage: any Storage
    let policies: [any Policy]
    /// The policy whose limits can be read and set, if one is.
    let limits: (any LimitTable)?
    let log: (LogLevel, String) -> Void

    let ledger = Ledger()
    let store: Store
    var watches = WatchIndex()
    var domains = DomainTable()
    /// Reaches domains; nil on a machine without Xen.
    var domainTransport: (any DomainTransport)?

    /// Reads the paths of requests.
    let scanner: PathScanner
    /// Reads paths that the kernel itself makes while a request's path is in use.
    let innerScanner: PathScanner
    /// Where replies that are made up of pieces are put together.
    let scratch: UnsafeMutableRawBufferPointer
    let pool = BufferPool()

    /// Every open session.
    var sessions: [Session] = []
    /// Sessions to flush when the turn ends.
    var touched: [Session] = []
    /// Sessions with whole frames that had no place in this turn.
    var backlog = Backlog()
    /// Which of those are being served.
    var servedUrgency: Backlog.Urgency?
    /// What has been done for clients with limits in this turn.
    var guestWork = 0
    /// What storage has said of its load.
    var storageLoad = 0
    /// Goes up with each turn.
    var turnNumber: UInt64 = 1
    /// What has been done for the request in hand.
    var requestWork = 0
    /// Sessions that hold events which may be dropped after a while, and when the first of them may be.
    var waiting: [Session] = []
    var nextExpiry: Moment?
    /// Whose snapshots have come to pin more since the last request was handled.
    var overdrawn: [SnapshotReader] = []
    var sessionSerial: UInt64 = 0
    var watchSerial: UInt64 = 0

    /// The watches that a change matches; kept for its capacity.
    var matches: [Watch] = []
    /// The request that is being handled.
    var inHand: Request?
    /// Whose request is being handled, as far as that one counts as outstanding.
    var requester: Session?
    var outstanding: OutstandingRequest?
    /// Gathers the changes of a transaction that is being committed.
    var replay: Replay?
    /// A transaction that has the store to itself.
    var reservation: Reservation?
    /// The journal of this turn, if storage wants batches and something has changed.
    var turn: Turn?
    /// Who is waited for before a turn ends.
    var gathering = Gathering()
    /// What storage is to keep beside the nodes, by key, and nil for what it is to forget; nothing if it
    /// wants no batches.
    var notes: [[UInt8]: [UInt8]?] = [:]
    /// What the daemon before this one has left, until it is taken up.
    var handover: Handover?
    /// Storage has just failed: requests of the turn are answered again, and may not change anything.
    var isTakingBack = false
    /// The last commit failed; said once in the log.
    var storageIsFailing = false
    /// The monotonic clock as of the last turn.
    var now = Moment.start
    var logSwitches = LogSwitches()
    var tracer: ((TraceEntry) -> Void)?
    /// When which domain's limit was last complained of.
    var warnings: [UInt32: Moment] = [:]

    /// Makes a kernel over an empty store, or over what `storage` has kept.
    ///
    /// `seed` should be unpredictable: it keeps guests from choosing names whose hashes collide.
    /// `log` gets what an operator should know.
    public init(
        storage: any Storage, policies: [any Policy], seed: UInt64,
        log: @escaping (LogLevel, String) -> Void
    ) throws(StorageError) {
        self.storage = storage
        self.policies = policies
        limits = policies.lazy.compactMap { $0 as? any LimitTable }.first
        self.log = log
        let hashing = PathHash(seed: seed)
        scanner = PathScanner(hashing: hashing)
        innerScanner = PathScanner(hashing: hashing)
        scratch = .allocate(byteCount: 2 * Limits.payloadMax, alignment: 16)
        store = Store(
            ledger: ledger, hashing: hashing, rootPermissions: PermissionList([Permission([], .control)]))
        try makeInitialTree()
    }

    deinit { scratch.deallocate() }

    // MARK: Sessions

    /// A client has connected. The kernel keeps `link` until the session ends.
    ///
    /// `indexes` is how far the streams have got with a peer that was there before: it goes on from there,
    /// or from where the daemon before this one has noted that it got.
    public func connect(_ link: any Link, as peer: Peer, at indexes: StreamIndexes = StreamIndexes()) -> Session {
        sessionSerial += 1
        let session = Session(number: sessionSerial, peer: peer, link: link, kernel: self, pool: pool)
        session.place = sessions.count
        session.origin = indexes
        sessions.append(session)
        // A transport that reaches domains without a toolstack, such as the test kit's.
        if domainTransport == nil, domains[peer.domain] == nil {
            domains[peer.domain] = Domain(isIntroduced: true)
        }
        if domainTransport == nil, !peer.isPrivileged { domains[peer.domain]?.session = session }
        if handover != nil {
            restoreWatches(of: session)
            restoreStream(of: session)
        }
        // A peer that outlives the daemon is told that it is served, and that is noted. It is flushed before
        // whoever has introduced it: what that one does next must find the ring in order.
        if peer.outlivesDaemon {
            session.isTouched = true
            touched.insert(session, at: 0)
        }
        return session
    }

    /// The peer is gone. The transport closes the connection itself; the session must not be used
    /// any more.
    public func disconnect(_ session: Session) {
        guard session.isOpen else { return }
        session.isOpen = false
        session.isReading = false
        if domains[session.domain]?.session === session { domains[session.domain]?.session = nil }
        endReservation(of: session)
        removeWatches(of: session)
        for transaction in session.transactions.values { drop(transaction, of: session) }
        session.transactions = [:]
        // They do not keep it alive.
        overdrawn.removeAll { $0.session === session }
        session.inbox.clear()
        settleInbox(of: session)
        settle(session, upTo: .max)
        session.outbox.consume(session.outbox.count)
        forgetStream(of: session)
        let last = sessions.removeLast()
        if last !== session {
            sessions[session.place] = last
            last.place = session.place
        }
    }

    /// Ends a session from this side.
    func end(_ session: Session) {
        guard session.isOpen else { return }
        disconnect(session)
        session.link.close(session.endReason)
    }

    // MARK: Bytes

    /// Bytes have come from the peer. They are answered in place or kept; the buffer is free again
    /// when this returns.
    public func receive(_ bytes: UnsafeRawBufferPointer, on session: Session) {
        guard session.isOpen, !session.isEnding else { return }
        session.receivedPosition &+= UInt64(bytes.count)
        // What was taken is to be noted, or to be given back to the peer as room.
        if session.peer.outlivesDaemon { touch(session) }
        if session.inbox.isEmpty, !session.isBacklogged {
            let done = drain(bytes, session)
            if done < bytes.count, session.isOpen, !session.isEnding {
                session.inbox.append(UnsafeRawBufferPointer(rebasing: bytes[done...]))
            }
        } else {
            session.inbox.append(bytes)
            drainInbox(session)
        }
        settleInbox(of: session)
        reconsider(session)
    }

    /// The peer sends no more, but may still read: the session ends when it has been answered.
    public func receivedEnd(on session: Session) {
        guard session.isOpen else { return }
        session.isFinished = true
        touch(session)
    }

    /// `count` of the session's unsent bytes have gone out.
    public func sent(_ count: Int, on session: Session) {
        guard session.isOpen else { return }
        session.outbox.consume(count)
        if !session.delivery.isEmpty { settle(session, upTo: session.outbox.sentPosition) }
        if session.blockedBy != nil { reconsider(session) }
        if session.isFinished, session.outbox.isEmpty { touch(session) }
    }

    /// The peer has made room for more of what is to be sent. The session is flushed when the turn
    /// ends, not before: what this turn has answered is not safe to be seen until then.
    public func resumeSending(on session: Session) {
        if session.isOpen, !session.outbox.isEmpty { touch(session) }
    }

    private func settle(_ session: Session, upTo position: UInt64) {
        let settled = session.delivery.settle(upTo: position)
        if settled.eventBytes > 0 { session.isDeaf = false }
        release(settled, of: session)
        admitExcess(of: session)
    }

    // MARK: Turns

    /// Ends a turn: what changed goes to storage, then replies and events are flushed.
    public func endTurn(at now: Moment) -> Wait {
        self.now = now
        if !backlog.isEmpty { flushAnswers() }
        drainBacklog()
        if let moment = putOffTurn() { return .gathering(until: moment) }
        guestWork = 0
        turnNumber &+= 1
        if pinsTooMuch { giveUpOverdrawn() }
        commitTurn()
        storageLoad = storage.load
        flushTouched()
        let hasLeftovers = !store.leftovers.isEmpty && store.freeLeftovers()
        let deadlines = [
            expireReservation(), expireEvents(),
            backlog.isEmpty ? nil : now.advanced(byMilliseconds: Kernel.storagePause),
        ]
        if isBacklogReady || !touched.isEmpty || hasLeftovers { return .none }
        return deadlines.compactMap(\.self).min().map { .until($0) } ?? .forever
    }

    /// How long guests wait before storage is looked at again, in milliseconds.
    private static let storagePause: UInt64 = 2

    /// Remembers that the session has something to flush.
    @inline(__always)
    func touch(_ session: Session) {
        if session.isTouched { return }
        session.isTouched = true
        touched.append(session)
    }

    /// Sends the answers that hang on no change, so that they need not wait for those who have much to be done.
    private func flushAnswers() {
        if turn != nil || !notes.isEmpty { return }
        var index = 0
        while index < touched.count {
            let session = touched[index]
            index += 1
            if session.isOpen, !session.peer.outlivesDaemon, !session.outbox.isEmpty { session.link.flush(session) }
        }
    }

    private func flushTouched() {
        // Flushing may touch further sessions: one that ends frees what others waited for.
        var index = 0
        while index < touched.count {
            let session = touched[index]
            index += 1
            session.isTouched = false
            if !session.isOpen { continue }
            if !session.outbox.isEmpty || session.peer.outlivesDaemon { session.link.flush(session) }
            if !session.isOpen { continue }
            reconsider(session)
            session.turnStart = session.outbox.position
            let isDone = session.isFinished && session.outbox.isEmpty && !session.isBacklogged
            if session.isEnding || isDone { end(session) } else { awaitDeadlines(of: session) }
        }
        touched.removeAll(keepingCapacity: true)
    }
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
