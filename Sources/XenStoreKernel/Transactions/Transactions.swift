// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The open transactions of all sessions: starts them, counts what they hold, and gives up those that pin too much.
final class Transactions {
    private let store: Store
    private let accounts: Accounts
    private let log: (LogLevel, String) -> Void

    /// The bytes that all snapshots together may pin without a payer, because their readers may not read them. Without
    /// this bound two guests could fill memory with each other's old values.
    private static let unpaidMax = 32 * 1024 * 1024

    init(store: Store, accounts: Accounts, log: @escaping (LogLevel, String) -> Void) {
        self.store = store
        self.accounts = accounts
        self.log = log
    }

    /// Starts a transaction, or throws the error with which a policy refuses it.
    func start(for session: Session) throws(WireError) -> Transaction {
        try accounts.allow(.transactions, amount: accounts.held(by: session).transactions + 1, session)
        var number = session.lastTransaction &+ 1
        while number == 0 || session.transactions[number] != nil { number &+= 1 }
        session.lastTransaction = number
        let transaction = Transaction(number: number, store: store, reader: reader(for: session, number))
        enter(transaction, of: session)
        return transaction
    }

    /// Restores a transaction that was open when an earlier daemon ended. Its changes are lost. Its END gets EAGAIN, as
    /// after a conflict.
    func restore(_ number: UInt32, of session: Session) {
        let transaction = Transaction(number: number, store: store, reader: nil)
        transaction.lose(of: store, reader: reader(for: session, number))
        enter(transaction, of: session)
    }

    private func enter(_ transaction: Transaction, of session: Session) {
        session.enter(transaction)
        accounts.adjustTransactions(of: session, by: 1)
        accounts.settleCharge(of: transaction, session)
    }

    /// The client that pays for what the transaction's snapshot pins: a client with limits.
    private func reader(for session: Session, _ number: UInt32) -> (any SnapshotReader)? {
        session.hasLimits ? TransactionReader(session: session, transaction: number, accounts: accounts) : nil
    }

    // MARK: Ending

    /// Drops a transaction and all it holds.
    func drop(_ transaction: Transaction, of session: Session) {
        session.leave(transaction)
        transaction.close()
        accounts.adjustTransactions(of: session, by: -1)
        accounts.adjustMemory(of: session, by: -transaction.charged)
        transaction.charged = 0
    }

    func dropAll(of session: Session) {
        for transaction in session.transactions.values { drop(transaction, of: session) }
    }

    // MARK: Losing

    /// The transaction's changes cannot be committed any more. Each further request gets `error`, if there is one.
    func poison(_ transaction: Transaction, of session: Session, _ error: WireError?) {
        transaction.poison(error)
        accounts.settleCharge(of: transaction, session)
    }

    /// Forgets the transaction's changes. Its requests see the store as it is now.
    func lose(_ transaction: Transaction, of session: Session) {
        transaction.lose(of: store, reader: reader(for: session, transaction.number))
        accounts.settleCharge(of: transaction, session)
    }

    /// Before a rollback of the turn that began at `generation`: drops the transactions that show its changes. Returns
    /// older transactions that were lost in this turn and so show its changes as well: after the rollback they need
    /// another draft.
    func forget(since generation: UInt64, of sessions: [Session]) -> [(Transaction, Session)] {
        var lost: [(Transaction, Session)] = []
        for session in sessions {
            for transaction in session.transactions.values {
                if transaction.start > generation {
                    drop(transaction, of: session)
                } else if let draft = transaction.draft, draft.generation > generation {
                    transaction.close()
                    lost.append((transaction, session))
                }
            }
        }
        return lost
    }

    // MARK: What snapshots pin

    /// Gives up the oldest transaction of a client whose snapshots pin more than it may hold, and the oldest of all
    /// while too many bytes have no payer. Its END gets EAGAIN.
    @inline(__always)
    func giveUpOverdrawn() {
        if accounts.hasOverdrawn || store.history.snapshots.unpaid > Transactions.unpaidMax { giveUpSome() }
    }

    private func giveUpSome() {
        for reader in accounts.takeOverdrawn() where reader.session.isOpen {
            let session = reader.session
            while accounts.refusal(of: .memory, amount: accounts.held(by: session).memory, session) != nil,
                let oldest = session.oldestPinningTransaction
            {
                giveUp(oldest, of: session)
            }
        }
        while store.history.snapshots.unpaid > Transactions.unpaidMax,
            let reader = store.history.snapshots.oldestReader as? TransactionReader
        {
            guard let transaction = reader.session.transactions[reader.transaction] else { return }
            giveUp(transaction, of: reader.session)
        }
    }

    private func giveUp(_ transaction: Transaction, of session: Session) {
        if accounts.mayComplain(of: session.domain, .transactionGivenUp) {
            log(
                .notice,
                "\(session.name): others have changed too much since one of its transactions began; the client must repeat the transaction"
            )
        }
        lose(transaction, of: session)
    }
}

extension Session {
    /// The oldest transaction for which others' old values are kept.
    fileprivate var oldestPinningTransaction: Transaction? {
        transactions.values.filter { $0.draft.map { $0.pinned > 0 } ?? false }
            .min { ($0.draft?.generation ?? .max) < ($1.draft?.generation ?? .max) }
    }
}
