// SPDX-License-Identifier: Apache-2.0

/// One client that compares each reply and each event with the model.
///
/// A client has subtrees of its own, so it knows all its answers, even beside many other clients. The daemon performs
/// its requests in order. A killed daemon therefore leaves the state after all answered requests and some of the
/// others.
public struct ModelClient: Sendable {
    public let name: String
    public private(set) var state: ModelState
    /// The requests without an answer.
    public private(set) var pending: [Sent] = []
    /// The top nodes of its subtrees.
    public let tops: [String]

    /// The folder to which the client's paths are relative.
    private let home: String?
    private var lastNumber: UInt32 = 0
    /// The events since the last answer, and the events that must come before the next answer.
    private var received: [Event] = []
    private var owed: [Event] = []
    /// Events that the client may not have taken yet. The daemon does not repeat an equal event.
    private var told: Set<Event> = []
    private var generations: [String: (version: Int, generation: UInt64)] = [:]

    public struct Sent: Sendable {
        public let request: ModelRequest
        public let transaction: UInt32
        let message: Message
        /// Whether a daemon was killed before it answered.
        var isInDoubt = false
    }

    /// - Parameter home: the folder of a guest, whose paths are relative to it.
    public init(_ name: String, home: String? = nil, tops: [String: [String]]) {
        self.name = name
        self.tops = tops.keys.sorted()
        self.home = home.map { $0 + "/" }
        state = ModelState(ModelTree(tops))
    }

    // MARK: Talking

    public mutating func send(_ request: ModelRequest, in transaction: UInt32 = 0) -> Message {
        lastNumber &+= 1
        let message = Message(request.op, request.payload(spell), number: lastNumber, transaction: transaction)
        pending.append(Sent(request: request, transaction: transaction, message: message))
        return message
    }

    private func spell(_ path: String) -> String {
        guard let home, path.hasPrefix(home) else { return path }
        return String(path.dropFirst(home.count))
    }

    /// Takes an event of one of the model's watches.
    public mutating func receive(_ event: Event) {
        let isAbsolute = event.path.hasPrefix("/") || event.path.hasPrefix("@")
        received.append(isAbsolute ? event : Event((home ?? "") + event.path, event.token))
    }

    /// Compares a reply with the model. Returns the request that it answers.
    public mutating func receive(reply: Message) throws -> (sent: Sent, answer: Answer) {
        guard let sent = pending.first else { throw Trouble("\(name): \(reply), where nothing was asked") }
        let answer = try Answer(reply, to: sent.message)
        pending.removeFirst()
        let outcome = state.apply(sent.request, in: sent.transaction, answered: answer)
        guard outcome.answer(answer) else {
            throw Trouble("\(name): \(sent.message) is answered \(answer) and not \(outcome.expected)")
        }
        if sent.isInDoubt, case .start = sent.request, let number = answer.strings.first.flatMap({ UInt32($0) }) {
            state.doubt(number)
        }
        try check(outcome, sent)
        return (sent, answer)
    }

    /// Checks that each expected event has come once: those of the request, and those that were due before.
    private mutating func check(_ outcome: ModelState.Outcome, _ sent: Sent) throws {
        var expected = owed + outcome.events
        for event in received {
            guard let at = expected.firstIndex(of: event) else {
                throw Trouble("\(name): \(event) came without a cause, before the answer to \(sent.message)")
            }
            expected.remove(at: at)
        }
        for event in expected where !told.contains(event) && !received.contains(event) {
            throw Trouble("\(name): \(event) did not come before the answer to \(sent.message)")
        }
        told.formUnion(received)
        received = []
        owed = outcome.laterEvent.map { [$0] } ?? []
    }

    // MARK: The daemon's death

    /// Loses the session, since the daemon was killed or the client makes a new start.
    public mutating func loseSession() {
        lastNumber = 0
        received = []
        owed = []
    }

    /// Keeps the session: the daemon was killed, and the next one goes on with it.
    public mutating func keepSession() {
        state.doubtTransactions()
        for index in pending.indices { pending[index].isInDoubt = true }
    }

    /// Finds out how many of the requests without an answer the daemon has performed, after the session is lost.
    public mutating func settle(on store: StoreDump) throws {
        var guesses = [Guess(state, of: store)]
        var count = 0
        while !guesses.contains(where: { $0.agrees(with: store) }) {
            guard count < pending.count else { throw Trouble(difference(store)) }
            for index in guesses.indices {
                if let other = guesses[index].refusing(pending[count]) { guesses.append(other) }
                guesses[index].carryOut(pending[count], on: store)
            }
            count += 1
        }
        let found = guesses.firstIndex { $0.agrees(with: store) } ?? 0
        state = guesses[found].state
        state.forgetSession()
        // If the only change is unknown, a node may have changed just its generation.
        if guesses.count == 1 { guesses[found].changed = [] }
        for sent in pending[count...] { guesses[found].carryOut(sent, on: store) }
        for path in guesses.flatMap(\.changed) { generations[path] = nil }
        pending = []
        try checkGenerations(store)
    }

    private func difference(_ store: StoreDump) -> String {
        var state = self.state
        let acknowledged = store.differences(from: state.tree).values.sorted()
        for sent in pending { _ = state.apply(sent.request, in: sent.transaction, answered: nil) }
        let all = store.differences(from: state.tree).values.sorted()
        return """
            \(name): the store fits no point in the requests. After all acknowledged requests: \
            \(acknowledged.prefix(3)); after the \(pending.count) requests after them: \(all.prefix(3)); quotas \
            \(state.quotas), found \(store.quotas); the requests: \(pending.prefix(200).map(\.request))
            """
    }

    /// Checks that the store is equal to the model, and that each request has its answer.
    public mutating func check(against store: StoreDump) throws {
        guard pending.isEmpty else { throw Trouble("\(name): \(pending.count) requests are not answered") }
        if let difference = store.differences(from: state.tree).values.min() { throw Trouble("\(name): \(difference)") }
        state.forgetTouched()
        told = []
        try checkGenerations(store)
    }

    /// Checks that a node has a new generation only if it has changed.
    private mutating func checkGenerations(_ store: StoreDump) throws {
        var seen: [String: (version: Int, generation: UInt64)] = [:]
        for (path, node) in state.tree.nodes {
            guard let generation = store.nodes[path]?.generation else { continue }
            if let before = generations[path] {
                let isSame = before.generation == generation
                guard isSame == (before.version == node.version), generation >= before.generation else {
                    throw Trouble(
                        "\(name): \(path) had generation \(before.generation) and has \(generation) "
                            + (isSame ? "though it has changed" : "without a change"))
                }
            }
            seen[path] = (node.version, generation)
        }
        generations = seen
    }

    /// The performed changes of nodes since the last call.
    public mutating func takeDone() -> [ModelRequest] { state.takeDone() }
}
