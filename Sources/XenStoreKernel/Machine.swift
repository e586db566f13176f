// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// The state machine: takes what peers have sent, answers it, and says what is to be stored and sent.
///
/// It is deterministic, and does nothing outside: time, randomness and input come from ``Kernel``, which also
/// stores and sends. It asks policies and the domain transport; they must not call back into it.
///
/// A function that changes nothing is not `mutating`, except some that each request calls: to lend the machine the
/// compiler copies all of it to the stack.
struct Machine: ~Copyable {
    /// Whether storage wants to know what changes.
    let keepsBatches: Bool
    let accounts: Accounts
    let log: (LogLevel, String) -> Void

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
    /// Sessions whose transports have not been told yet that they may read, or may not.
    var readingChanges: [Session] = []
    /// Whose request comes next.
    var schedule = Schedule()
    /// Sessions that hold events which may be dropped after a while, and when the first of them may be.
    var waiting: [Session] = []
    var nextExpiry: Moment?
    var sessionSerial: UInt64 = 0
    var watchSerial: UInt64 = 0

    /// The watches that a change matches; kept for its capacity.
    var matches: [Watch] = []
    /// A transaction that has the store to itself.
    var reservation: Reservation?
    /// The journal of this turn, if storage wants batches and something has changed.
    var turn: Turn? { didSet { turnGate.isOpen = turn != nil } }
    let turnGate = TurnGate()
    /// Who is waited for before a turn ends.
    var gathering = Gathering()
    /// What storage is to keep beside the nodes; nothing if it wants no batches.
    var notes = Notes()
    /// What the daemon before this one has left, until it is taken up.
    var handover: Handover?
    /// The last commit failed; the log says so once.
    var isStorageFailing = false
    /// The monotonic clock as of the last turn.
    var now = Moment.start { didSet { accounts.setClock(to: now) } }
    var logSwitches = LogSwitches()
    var tracer: ((TraceEntry) -> Void)?

    init(keepsBatches: Bool, policies: [any Policy], seed: UInt64, log: @escaping (LogLevel, String) -> Void) {
        self.keepsBatches = keepsBatches
        self.log = log
        accounts = Accounts(policies: policies, log: log)
        let hashing = PathHash(seed: seed)
        scanner = PathScanner(hashing: hashing)
        innerScanner = PathScanner(hashing: hashing)
        scratch = .allocate(byteCount: 2 * Limits.payloadMax, alignment: 16)
        store = Store(
            ledger: accounts.ledger, hashing: hashing, rootPermissions: PermissionList([Permission([], .control)]))
    }

    deinit { scratch.deallocate() }
}
