// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// TRANSACTION_START, and requests in a transaction.
extension Machine {
    mutating func startTransaction(_ request: Request) throws(WireError) -> Answer {
        let session = request.session
        try accounts.allow(.transactions, amount: accounts.held(by: session).transactions + 1, session)
        var number = session.lastTransaction &+ 1
        while number == 0 || session.transactions[number] != nil { number &+= 1 }
        session.lastTransaction = number
        let transaction = Transaction(number: number, store: store, reader: reader(for: session, number))
        session.transactions[number] = transaction
        accounts.adjustTransactions(of: session, by: 1)
        accounts.settleCharge(of: transaction, session)
        session.noted.isStale = true
        reserveIfDesperate(session)
        return try reply(number: UInt64(number))
    }

    /// Who pays for what the transaction's snapshot pins: a client that has limits.
    func reader(for session: Session, _ number: UInt32) -> SnapshotReader? {
        session.hasLimits ? SnapshotReader(session: session, transaction: number, accounts: accounts) : nil
    }

    /// Drops a transaction and all it holds.
    func drop(_ transaction: Transaction, of session: Session) {
        session.noted.isStale = true
        transaction.close()
        accounts.adjustTransactions(of: session, by: -1)
        accounts.adjustMemory(of: session, by: -transaction.charged)
        transaction.charged = 0
    }

    // MARK: Requests in it

    /// Carries out a request on the transaction's draft, and remembers what it was answered.
    mutating func perform(
        _ request: Request, in transaction: Transaction, _ cause: inout Cause
    ) throws(WireError) -> Answer {
        switch transaction.state {
        case .open: return try performOpen(request, in: transaction, &cause)
        case .lost: return try performLost(request, in: transaction, &cause)
        case .poisoned(let error):
            if let error { throw error }
            // Answered as if nothing had been done before, and nothing is kept of it.
            let draft = Draft(of: store)
            defer { draft.close() }
            return kept(try perform(request, onDraft: draft, &cause))
        }
    }

    /// What is done in a draft is work, whatever becomes of it.
    private mutating func perform(
        _ request: Request, onDraft draft: Draft, _ cause: inout Cause
    ) throws(WireError) -> Answer {
        let (work, skipped) = (draft.work, draft.skipped)
        defer { spend((draft.work - work) * Work.draft + (draft.skipped - skipped) / 2) }
        return try perform(request, on: draft, &cause)
    }

    private mutating func performOpen(
        _ request: Request, in transaction: Transaction, _ cause: inout Cause
    ) throws(WireError) -> Answer {
        guard let draft = transaction.draft else { throw .ENOMEM }
        let session = request.session
        try allow(.transactionRequests, amount: transaction.log.count + 1, in: transaction, of: session)
        draft.bounds = bounds(for: session)
        let outcome: Result<Answer, WireError>
        do throws(WireError) {
            outcome = .success(try perform(request, onDraft: draft, &cause))
        } catch {
            outcome = .failure(error)
        }
        transaction.log.append(
            request, digest: digest(of: outcome, request.operation), failed: outcome.isFailure, hashing: store.hashing)
        try allowGrowth(of: transaction, draft, session)
        if case .failure(let failure) = outcome, request.operation.changesTree,
            failure == .ENOSPC || failure == .ENOMEM || failure == .EIO
        {
            poison(transaction, of: session, nil)
        }
        return try outcome.get()
    }

    /// A transaction that will not be committed keeps no log.
    private mutating func performLost(
        _ request: Request, in transaction: Transaction, _ cause: inout Cause
    ) throws(WireError) -> Answer {
        guard let draft = transaction.draft else { throw .EAGAIN }
        draft.bounds = bounds(for: request.session)
        let session = request.session
        defer { accounts.settleCharge(of: transaction, session) }
        let reply = try perform(request, onDraft: draft, &cause)
        let memory = accounts.held(by: session).memory + transaction.memory - transaction.charged
        guard draft.isExhausted || accounts.refusal(of: .memory, amount: memory, session) != nil else { return reply }
        let keptReply = kept(reply)
        transaction.lose(of: store, reader: reader(for: session, transaction.number))
        return keptReply
    }

    private func bounds(for session: Session) -> Draft.Bounds {
        func bound(_ resource: Resource) -> Int {
            switch accounts.limit(of: resource, session) {
            case 0: .max
            case let limit: limit
            }
        }
        return Draft.Bounds(nodes: bound(.transactionNodes), work: bound(.transactionWork))
    }

    /// Whether the transaction may keep what a request has added to it. If not, it is poisoned, keeps nothing,
    /// and each further request gets the same error.
    private func allowGrowth(of transaction: Transaction, _ draft: Draft, _ session: Session) throws(WireError) {
        if !session.hasLimits { return accounts.settleCharge(of: transaction, session) }
        try allow(.transactionNodes, amount: draft.touched.count, in: transaction, of: session)
        try allow(.transactionWork, amount: draft.work, in: transaction, of: session)
        let growth = transaction.memory - transaction.charged
        if growth > 0 {
            try allow(.memory, amount: accounts.held(by: session).memory + growth, in: transaction, of: session)
        }
        accounts.settleCharge(of: transaction, session)
    }

    private func allow(_ resource: Resource, amount: Int, in transaction: Transaction, of session: Session)
        throws(WireError)
    {
        do throws(WireError) {
            try accounts.allow(resource, amount: amount, session)
        } catch {
            poison(transaction, of: session, error)
            throw error
        }
    }

    private func poison(_ transaction: Transaction, of session: Session, _ error: WireError?) {
        transaction.poison(error)
        accounts.settleCharge(of: transaction, session)
    }

    /// Counts what the transaction holds to its client.
    func settleCharge(of transaction: Transaction, _ session: Session) {
        let growth = transaction.memory - transaction.charged
        transaction.charged += growth
        accounts.adjustMemory(of: session, by: growth)
    }

    /// A digest of an answer. The generation that DIRECTORY_PART begins with is left out: it differs between a
    /// draft and the store.
    func digest(of outcome: Result<Answer, WireError>, _ operation: Operation) -> UInt64 {
        switch outcome {
        case .failure(let error): return UInt64(error.rawValue)
        case .success(let reply):
            var payload = reply.payload
            if operation == .directoryPart, let (_, names) = payload.splitAtNul() { payload = names }
            // Apart from the errors, whose digests are small.
            return store.hashing.child(payload, of: store.hashing.root) | 1 << 63
        }
    }

    // MARK: What snapshots pin

    /// Whether there may be a transaction that has to be given up.
    @inline(__always)
    var pinsTooMuch: Bool { accounts.hasOverdrawn || store.snapshots.unpaid > Machine.unpaidMax }

    /// Gives up the oldest transaction of a client whose snapshots pin more than it may hold, and the oldest
    /// of all where what nobody pays for grows too large. Its END says EAGAIN.
    func giveUpOverdrawn() {
        for reader in accounts.takeOverdrawn() where reader.session.isOpen {
            let session = reader.session
            while accounts.refusal(of: .memory, amount: accounts.held(by: session).memory, session) != nil,
                let oldest = session.oldestPinningTransaction
            {
                giveUp(oldest, of: session)
            }
        }
        while store.snapshots.unpaid > Machine.unpaidMax, let reader = store.snapshots.oldestReader {
            guard let transaction = reader.session.transactions[reader.transaction] else { return }
            giveUp(transaction, of: reader.session)
        }
    }

    /// Bytes that all guests' open transactions together may have kept of what they cannot read: so that
    /// guests who work together cannot fill memory with each other's old values.
    private static let unpaidMax = 32 * 1024 * 1024

    private func giveUp(_ transaction: Transaction, of session: Session) {
        if accounts.mayComplain(of: session.domain, .transactionGivenUp) {
            log(
                .notice,
                "\(session.name): others have changed too much under a transaction that is open for long; it has to be tried again"
            )
        }
        transaction.lose(of: store, reader: reader(for: session, transaction.number))
        accounts.settleCharge(of: transaction, session)
    }
}

extension Session {
    /// The oldest of the transactions for which others' old values are kept.
    fileprivate var oldestPinningTransaction: Transaction? {
        transactions.values.filter { $0.draft.map { $0.pinned > 0 } ?? false }
            .min { ($0.draft?.moment ?? .max) < ($1.draft?.moment ?? .max) }
    }
}

extension Result {
    var isFailure: Bool {
        if case .failure = self { true } else { false }
    }
}
