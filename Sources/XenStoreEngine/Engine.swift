// SPDX-License-Identifier: Apache-2.0
import XenStoreKernel
import XenStorePlugin

/// Runs the kernel: gives it the bytes that transports have read, lets storage keep the changes of a turn, and only
/// then lets links send the replies.
///
/// One thread drives it. Transports see it as their `PluginHost`.
public final class Engine {
    private let storage: any Storage
    private let storageName: String
    private let keepsBatches: Bool
    let kernel: Kernel
    private let log: (LogLevel, String) -> Void
    /// Whether the last commit has failed. The log says so once.
    private var isStorageFailing = false
    /// Whether the kernel is at work.
    private var isBusy = false
    private var abilities = Abilities()
    /// Whether some plugin is an observer.
    private var isObserved = false
    private var commits = CommitCounts()

    /// Makes an engine over an empty store, or over the content of `storage`. Throws the storage's error if it cannot
    /// load its content.
    ///
    /// `name` is the storage's in the log; by default that of its type.
    /// `seed` should be unpredictable, so that guests cannot choose names whose hashes collide. `log` gets messages for
    /// the operator.
    public init(
        storage: any Storage, named name: String? = nil, policies: [any Policy], seed: UInt64,
        log: @escaping (LogLevel, String) -> Void
    ) throws(StorageError) {
        self.storage = storage
        storageName = name ?? type(of: storage).name
        self.log = log
        keepsBatches = storage.wantsBatches
        kernel = Kernel(keepsBatches: keepsBatches, policies: policies, seed: seed, log: log)
        let loader = kernel.makeLoader()
        try storage.load(into: loader)
        if loader.count > 0 { log(.info, "storage \(storageName): \(loader.count) nodes") }
        if let made = kernel.begin(with: loader) {
            try storage.commit(kernel.batch(of: made))
            kernel.committed(made)
        }
    }

    /// Uses the abilities of these plugins beside their kinds: a `RequestObserver` sees each request, and
    /// ``measurements()`` has the counters of a `Measurable`. To be called with all plugins that run, before the first
    /// client connects.
    public func useAbilities(of plugins: [NamedPlugin]) {
        abilities = Abilities(of: plugins)
        isObserved = abilities.haveObservers
        if isObserved { kernel.observe() }
    }

    /// Serves the domains that were introduced before the daemon was restarted, and removes what belongs to those that
    /// have died meanwhile. To be called once, when all transports have started.
    public func resumeDomains() {
        enter()
        kernel.resumeDomains()
        leave()
    }

    // MARK: The kernel at work

    /// The kernel asks policies and the domain transport while it works. If one of them called back, it would find a
    /// half changed kernel. A debug build stops there.
    @inline(__always)
    private func enter() {
        assert(!isBusy, "a plugin calls its host while the host asks it")
        isBusy = true
    }

    /// Ends the kernel's work, and tells links whether they may read, if there are `news`.
    @inline(__always)
    private func leave(news: Bool = true) {
        isBusy = false
        if news { tellReadingChanges() }
    }

    @inline(__always)
    private func tellReadingChanges() {
        while let session = kernel.nextReadingChange() { session.link.readingChanged(session) }
    }

    // MARK: Turns

    /// Ends a turn: storage gets its changes, then links send replies and events.
    public func endTurn(at now: Moment) -> Wait {
        kernel.beginEndOfTurn(at: now)
        // The last turn had no room for it.
        if kernel.mustGoOnWithDomains {
            enter()
            kernel.goOnWithDomains()
            leave()
        }
        if kernel.hasBacklog {
            // Finished replies need not wait for clients with much work. If a commit is expensive, only replies that
            // depend on no commit go out.
            if storage.patience == 0 { commitAndFlush() } else { flushAnswers() }
            enter()
            kernel.serveBacklog()
            leave()
        }
        if keepsBatches, !kernel.mustGoOnWithDomains, let deadline = kernel.putOffTurn(patience: storage.patience) {
            return .gathering(until: deadline)
        }
        commitAndFlush()
        return kernel.finishTurn(storageLoad: keepsBatches ? storage.load : 0)
    }

    private func commitAndFlush() {
        if let closed = kernel.closeTurn() { commit(closed) }
        if isObserved { showFinished() }
        flush()
    }

    /// Shows requests to observers before their clients see the replies.
    @inline(never)
    private func showFinished() {
        if let finished = kernel.takeFinished() { abilities.show(finished) }
    }

    /// Commits the turn. If storage fails, the kernel undoes it, and clients that changed something get EIO.
    private func commit(_ closed: ClosedTurn) {
        do throws(StorageError) {
            try storage.commit(kernel.batch(of: closed))
            commits.count(isDone: true)
            kernel.committed(closed)
            if isStorageFailing, !storage.lacksRoom {
                log(.notice, "storage \(storageName) works again")
                isStorageFailing = false
            }
        } catch {
            if !isStorageFailing {
                log(.error, "storage \(storageName): \(error); changes are refused with EIO until it works")
            }
            isStorageFailing = true
            commits.count(isDone: false)
            kernel.rolledBack(closed)
        }
    }

    /// Sends replies that depend on no change, so that they need not wait for clients with much work.
    private func flushAnswers() {
        if isObserved, !kernel.hasChanges { showFinished() }
        var index = 0
        while let session = kernel.nextAnswered(&index) { session.flush() }
    }

    /// A link may end its connection while it is flushed.
    private func flush() {
        var index = 0
        while let session = kernel.nextToFlush(&index) {
            if session.hasUnsent || session.outlivesDaemon { session.flush() }
            if kernel.flushed(session) { session.link.close(session.endReason) }
        }
        tellReadingChanges()
    }

    // MARK: Operators

    /// Lets policies take a changed configuration by `reload`. Storage forgets limits that were set at run time and are
    /// not in force any more.
    public func reloadPolicies(_ reload: () throws -> Void) rethrows {
        let before = kernel.limitSettings
        defer {
            kernel.policiesAreReloaded(before: before)
            tellReadingChanges()
        }
        try reload()
    }

    /// Hands every message to `tracer` as long as the switch `io` is on. Without a tracer they go to the log.
    public func trace(to tracer: @escaping (TraceEntry) -> Void) { kernel.trace(to: tracer) }

    /// Turns classes of the trace on or off as CONTROL `log` does: `+io`. Returns false for an unknown word.
    public func setLogSwitch(_ word: String) -> Bool { kernel.setLogSwitch(word) }
}

// MARK: - What transports call

extension Engine: PluginHost {
    /// The link learns at the end of the turn whether it may read, because it does not know its connection yet.
    public func connect(_ link: any Link, as peer: Peer, at indexes: StreamIndexes) -> Connection {
        kernel.connect(link, as: peer, at: indexes)
    }

    public func reconnect(_ link: any Link, as peer: Peer) -> Connection { kernel.reconnect(link, as: peer) }

    public func disconnect(_ connection: Connection) {
        enter()
        kernel.disconnect(session(of: connection))
        leave()
    }

    public func reset(_ connection: Connection) {
        enter()
        kernel.reset(session(of: connection))
        leave()
    }

    public func receive(_ bytes: UnsafeRawBufferPointer, on connection: Connection) {
        enter()
        leave(news: kernel.receive(bytes, on: session(of: connection)))
    }

    public func receivedEnd(on connection: Connection) { kernel.receivedEnd(on: session(of: connection)) }

    public func sent(_ count: Int, on connection: Connection) {
        enter()
        leave(news: kernel.sent(count, on: session(of: connection)))
    }

    public func resumeSending(on connection: Connection) { kernel.resumeSending(on: session(of: connection)) }

    public func indexesMoved(on connection: Connection, from old: StreamIndexes, to new: StreamIndexes) {
        kernel.indexesMoved(on: session(of: connection), from: old, to: new)
    }

    public func serveDomains(by transport: any DomainTransport) { kernel.serveDomains(by: transport) }

    public func domainsChanged() {
        enter()
        kernel.domainsChanged()
        leave()
    }

    public func measurements() -> [MeasuredPart] {
        [MeasuredPart("daemon", kernel.measurements + commits.measurements)] + abilities.measurements
    }

    /// Each connection is a session. Nobody else can make one, because the initializer of `Connection` belongs to this
    /// package. So no check is needed, for which each request would pay.
    @inline(__always)
    private func session(of connection: Connection) -> Session { unsafeDowncast(connection, to: Session.self) }
}
