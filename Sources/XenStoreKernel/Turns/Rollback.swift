// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Undoes a turn that storage could not keep. The store is as before the turn, and clients that changed something get
/// EIO.
final class Rollback {
    private let store: Store
    private let sessions: Sessions
    private let transactions: Transactions
    private let unsent: Unsent
    private let domains: Domains
    private let journal: Journal
    private let replies: Replies
    private let router: Router

    init(
        store: Store, sessions: Sessions, transactions: Transactions, unsent: Unsent, domains: Domains,
        journal: Journal, replies: Replies, router: Router
    ) {
        self.store = store
        self.sessions = sessions
        self.transactions = transactions
        self.unsent = unsent
        self.domains = domains
        self.journal = journal
        self.replies = replies
        self.router = router
    }

    func undo(_ closed: ClosedTurn) {
        journal.failed()
        if let turn = closed.turn { undo(turn) }
        journal.forget(closed)
    }

    private func undo(_ turn: Turn) {
        let fates = turn.entries.map { entry in fate(of: entry, in: turn) }
        let lost = transactions.forget(since: turn.snapshot, of: sessions.all)
        for session in sessions.touched where session.isOpen {
            unsent.truncate(session, to: session.position.turnStart)
        }
        store.history.undoToNewestSnapshot()
        for (transaction, session) in lost { transactions.lose(transaction, of: session) }
        // A dead domain stays dead, whatever storage does. The events about its end are true in any case.
        for domain in turn.dead { domains.clear(domain) }
        var observed = router.observation?.removeLast(turn.entries.count).makeIterator()
        for (entry, fate) in zip(turn.entries, fates) {
            if entry.session.isOpen { answerAgain(entry, of: turn, fate) }
            if let request = observed?.next() { addAgain(request, fate) }
        }
        journal.goOn(after: turn)
    }

    /// Observers see the final outcome of a request. A request that was handled again has already been added with it.
    private func addAgain(_ request: ObservedRequest, _ fate: Fate) {
        switch fate {
        case .refused: router.observation?.addAgain(request, .EIO)
        case .repeated where request.session.isOpen: break
        case .repeated, .kept: router.observation?.addAgain(request, request.error)
        }
    }

    /// What happens to a request of a turn that is undone.
    private enum Fate {
        /// It changed something, or saw a change. It gets EIO.
        case refused
        /// It read what is undone. The kernel handles it again.
        case repeated
        /// It does not depend on this turn's changes. Its reply stays.
        case kept([UInt8])
    }

    private func fate(of entry: TurnEntry, in turn: Turn) -> Fate {
        guard let operation = Operation(rawValue: entry.header.type) else { return .repeated }
        let answer = entry.session.made(from: entry.start, to: entry.end)
        switch operation {
        case .transactionEnd:
            return turn.withPayload(of: entry) { $0.first == UInt8(ascii: "T") } ? .refused : .kept(answer)
        case .transactionStart:
            return hasStartedTransaction(entry, since: turn.snapshot) ? .refused : .kept(answer)
        case _ where !operation.isOfTree:
            return .kept(answer)
        case _ where entry.header.transaction != 0:
            return entry.generation.map { $0 > turn.snapshot } == true ? .refused : .kept(answer)
        default:
            return operation.changesTree ? .refused : .repeated
        }
    }

    /// Whether the entry's request has started a transaction that shows changes of the undone turn.
    private func hasStartedTransaction(_ entry: TurnEntry, since snapshot: UInt64) -> Bool {
        let answer = entry.session.made(from: entry.start, to: entry.end)
        let number = answer.dropFirst(Header.size).withUnsafeBytes { $0.leadingNumber.value }
        guard let number = UInt32(exactly: number), let started = entry.session.transactions[number]
        else { return false }
        return started.start > snapshot
    }

    private func answerAgain(_ entry: TurnEntry, of turn: Turn, _ fate: Fate) {
        switch fate {
        case .refused:
            replies.send(.EIO, to: entry.header, entry.session, nil)
        case .repeated:
            turn.withPayload(of: entry) { router.handleAgain(entry.header, $0, entry.session) }
        case .kept(let answer):
            answer.withUnsafeBytes { replies.sendAgain($0, to: entry.session) }
        }
    }
}
