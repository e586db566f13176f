// SPDX-License-Identifier: Apache-2.0

/// The effects of all requests of a client.
public struct ModelState: Sendable {
    public private(set) var tree: ModelTree
    /// Quotas, by domain and name.
    public private(set) var quotas: [String: UInt32] = [:]
    /// Watches, in the order in which they were set.
    public private(set) var watches: [Watch] = []
    public private(set) var transactions: [UInt32: Transaction] = [:]
    /// The changes of nodes that nobody has taken yet.
    private(set) var done: [ModelRequest] = []

    public struct Watch: Sendable {
        /// The path and the token of the watch, as in an event for the path itself.
        public let event: Event
        let depth: Int?

        /// Whether a change at the path fires the watch.
        func reaches(_ path: String) -> Bool {
            if path == event.path { return true }
            guard path.hasPrefix(event.path + "/") else { return false }
            return depth.map {
                path.utf8.dropFirst(event.path.utf8.count).count(where: { $0 == UInt8(ascii: "/") }) <= $0
            } ?? true
        }
    }

    public struct Transaction: Sendable {
        public let subtree: String
        fileprivate var draft: ModelTree
        fileprivate var changes: [ModelRequest] = []
        /// Whether a daemon was killed meanwhile, so the transaction may have lost its work.
        public fileprivate(set) var isInDoubt = false
    }

    /// The expected answer and the expected events of a request.
    struct Outcome {
        var answer: (Answer) -> Bool
        var expected: String
        /// The events that come before the answer.
        var events: [Event] = []
        /// The event that comes after the answer.
        var laterEvent: Event?

        init(_ answer: Answer) {
            self.answer = { $0 == answer }
            expected = answer.description
        }
        init(_ expected: String, _ answer: @escaping (Answer) -> Bool) {
            self.answer = answer
            self.expected = expected
        }
    }

    init(_ tree: ModelTree) { self.tree = tree }

    /// Performs a request. Some outcomes are open in the model, so the real answer decides them. `answered` is nil for
    /// a request that the daemon may have performed without an answer.
    mutating func apply(_ request: ModelRequest, in transaction: UInt32, answered: Answer?) -> Outcome {
        switch request {
        case .start(let subtree): return start(subtree, answered)
        case .end(let commits): return end(transaction, commits, answered)
        case .watch(let path, let token, let depth): return watch(Watch(event: Event(path, token), depth: depth))
        case .unwatch(let path, let token):
            guard let at = watches.firstIndex(where: { $0.event == Event(path, token) }) else {
                return Outcome(.ENOENT)
            }
            watches.remove(at: at)
            return Outcome(.ok)
        case .resetWatches:
            forgetSession()
            return Outcome(.ok)
        case .setQuota(let domain, let name, let limit):
            quotas["\(domain) \(name)"] = limit
            return Outcome(.ok)
        case .home(let domain): return Outcome(.data("/local/domain/\(domain)\0"))
        case .listen: return Outcome(.ok)
        case .readUniform:
            return Outcome("one byte repeated") { !$0.isError && $0.bytes.allSatisfy([$0.bytes.first].contains) }
        default: break
        }
        guard transaction != 0 else { return change(request) }
        guard var open = transactions[transaction] else { return Outcome(.ENOENT) }
        let answer = open.draft.apply(request).answer
        open.changes.append(request)
        transactions[transaction] = open
        // The transaction has lost its work, and its end will say so. Until then any answer is right.
        if open.isInDoubt { return Outcome("an answer") { _ in true } }
        return Outcome(answer)
    }

    private mutating func change(_ request: ModelRequest) -> Outcome {
        let (answer, changes) = tree.apply(request)
        var outcome = Outcome(answer)
        outcome.events = changes.flatMap(events)
        if !changes.isEmpty { done.append(request) }
        return outcome
    }

    private mutating func watch(_ watch: Watch) -> Outcome {
        if watches.contains(where: { $0.event == watch.event }) { return Outcome(.EEXIST) }
        watches.append(watch)
        var outcome = Outcome(.ok)
        outcome.laterEvent = watch.event
        return outcome
    }

    private func events(of change: ModelTree.Change) -> [Event] {
        switch change {
        case .changed(let path):
            watches.filter { $0.reaches(path) }.map { Event(path, $0.event.token) }
        case .goneBelow(let path): watches.map(\.event).filter { path == $0.path }
        }
    }

    // MARK: Transactions

    private mutating func start(_ subtree: String, _ answered: Answer?) -> Outcome {
        guard let answered else { return Outcome("a number") { _ in true } }
        let number = answered.strings.first.flatMap { UInt32($0) }
        let isNew = number.map { $0 != 0 && transactions[$0] == nil } ?? false
        if isNew, let number { transactions[number] = Transaction(subtree: subtree, draft: tree) }
        return Outcome("the number of a new transaction") { _ in isNew }
    }

    private mutating func end(_ number: UInt32, _ commits: Bool, _ answered: Answer?) -> Outcome {
        guard let open = transactions.removeValue(forKey: number) else { return Outcome(.ENOENT) }
        guard commits else { return Outcome(.ok) }
        if open.isInDoubt, answered == .EAGAIN { return Outcome(.EAGAIN) }
        var outcome = Outcome(.ok)
        for request in open.changes { outcome.events += change(request).events }
        return outcome
    }

    // MARK: The daemon's death

    /// Forgets everything that belongs to the session.
    mutating func forgetSession() {
        watches = []
        transactions = [:]
    }

    /// Marks everything that a session may lose when its daemon is killed.
    mutating func doubtTransactions() {
        for number in transactions.keys { transactions[number]?.isInDoubt = true }
    }

    mutating func doubt(_ number: UInt32) { transactions[number]?.isInDoubt = true }

    mutating func takeDone() -> [ModelRequest] {
        defer { done = [] }
        return done
    }

    mutating func forgetTouched() { tree.touched = [] }
}
