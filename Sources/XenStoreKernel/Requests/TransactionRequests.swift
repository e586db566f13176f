// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// TRANSACTION_START, TRANSACTION_END, and requests in a transaction.
final class TransactionRequests {
    private let tree: TreeRequests
    private let transactions: Transactions
    private let committing: Committing
    private let accounts: Accounts
    private let flow: FlowControl
    private let store: Store
    private let schedule: Schedule
    private let scratch: Scratch

    init(
        tree: TreeRequests, transactions: Transactions, committing: Committing, accounts: Accounts,
        flow: FlowControl, store: Store, schedule: Schedule, scratch: Scratch
    ) {
        self.tree = tree
        self.transactions = transactions
        self.committing = committing
        self.accounts = accounts
        self.flow = flow
        self.store = store
        self.schedule = schedule
        self.scratch = scratch
    }

    func start(_ request: RequestContext) throws(WireError) -> Answer {
        let transaction = try transactions.start(for: request.session)
        flow.reservations.openIfDesperate(request.session)
        return try scratch.answer(number: UInt64(transaction.number))
    }

    // MARK: Ending

    /// TRANSACTION_END without a transaction.
    func checkEnd(_ request: RequestContext) throws(WireError) -> Answer {
        _ = try isCommit(request)
        throw .ENOENT
    }

    private func isCommit(_ request: RequestContext) throws(WireError) -> Bool {
        if request.payload.isEqual(to: "T\0") { return true }
        if request.payload.isEqual(to: "F\0") { return false }
        throw .EINVAL
    }

    func end(_ request: inout RequestContext, _ transaction: Transaction) throws(WireError) -> Answer {
        let session = request.session
        let commits = try isCommit(request)
        defer {
            transactions.drop(transaction, of: session)
            flow.endReservation(of: session)
        }
        if commits {
            switch transaction.state {
            case .lost: throw .EAGAIN
            case .poisoned: throw .ENOMEM
            case .open: try committing.commit(transaction, of: session, &request.cause)
            }
        }
        return .ok
    }

    // MARK: Requests in it

    /// Performs a request on the transaction's draft, and remembers its answer.
    func perform(_ request: inout RequestContext, in transaction: Transaction) throws(WireError) -> Answer {
        switch transaction.state {
        case .open: return try performOpen(&request, in: transaction)
        case .lost: return try performLost(&request, in: transaction)
        case .poisoned(let error):
            if let error { throw error }
            // The answer is as if the transaction had no changes, and nothing is kept.
            let draft = Draft(of: store)
            defer { draft.close() }
            return try scratch.keep(try perform(&request, on: draft))
        }
    }

    /// Counts the work in a draft, whatever happens to the draft.
    private func perform(_ request: inout RequestContext, on draft: Draft) throws(WireError) -> Answer {
        let (work, skipped) = (draft.work, draft.skipped)
        defer { schedule.spend((draft.work - work) * Work.draft + (draft.skipped - skipped) / 2) }
        return try tree.perform(&request, on: draft)
    }

    private func performOpen(_ request: inout RequestContext, in transaction: Transaction) throws(WireError) -> Answer {
        guard let draft = transaction.draft else { throw .ENOMEM }
        let session = request.session
        try allow(.transactionRequests, amount: transaction.log.count + 1, in: transaction, of: session)
        draft.bounds = bounds(for: session)
        let outcome: Result<Answer, WireError>
        do throws(WireError) {
            outcome = .success(try perform(&request, on: draft))
        } catch {
            outcome = .failure(error)
        }
        transaction.log.append(
            request.operation, request.payload, digest: outcome.digest(request.operation, store.hashing),
            failed: outcome.isFailure, hashing: store.hashing)
        try allowGrowth(of: transaction, draft, session)
        if case .failure(let failure) = outcome, request.operation.changesTree,
            failure == .ENOSPC || failure == .ENOMEM || failure == .EIO
        {
            transactions.poison(transaction, of: session, nil)
        }
        return try outcome.get()
    }

    /// A transaction that cannot be committed keeps no log.
    private func performLost(_ request: inout RequestContext, in transaction: Transaction) throws(WireError) -> Answer {
        guard let draft = transaction.draft else { throw .EAGAIN }
        let session = request.session
        draft.bounds = bounds(for: session)
        defer { accounts.settleCharge(of: transaction, session) }
        let answer = try perform(&request, on: draft)
        let memory = accounts.held(by: session).memory + transaction.memory - transaction.charged
        guard draft.isExhausted || accounts.refusal(of: .memory, amount: memory, session) != nil else { return answer }
        let kept = try scratch.keep(answer)
        transactions.lose(transaction, of: session)
        return kept
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

    /// Throws if the transaction may not keep the additions of a request. Then it is poisoned, keeps nothing, and each
    /// further request gets the same error.
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
            transactions.poison(transaction, of: session, error)
            throw error
        }
    }
}

extension Result<Answer, WireError> {
    var isFailure: Bool {
        if case .failure = self { true } else { false }
    }

    /// The digest that a replay compares. It leaves out the generation at the start of DIRECTORY_PART's reply, which
    /// differs between a draft and the store.
    func digest(_ operation: Operation, _ hashing: PathHash) -> UInt64 {
        switch self {
        case .failure(let error): return UInt64(error.rawValue)
        case .success(let answer):
            var payload = answer.payload
            if operation == .directoryPart, let (_, names) = payload.splitAtNul() { payload = names }
            // The highest bit keeps it apart from errors, whose digests are small.
            return hashing.child(payload, of: hashing.root) | 1 << 63
        }
    }
}
