// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// A transaction of a client with limits, as the reader of its snapshot: the client pays for what the snapshot pins.
final class TransactionReader: SnapshotReader {
    unowned let session: Session
    /// The number of its transaction in the session.
    let transaction: UInt32
    private let accounts: Accounts
    private(set) var pinned = 0
    /// Whether the accounts list it among the readers that pay for more.
    var isListed = false

    init(session: Session, transaction: UInt32, accounts: Accounts) {
        self.session = session
        self.transaction = transaction
        self.accounts = accounts
    }

    func mayRead(_ permissions: borrowing PermissionList) -> Bool { accounts.mayAccess(permissions, .read, session) }

    func pin(_ bytes: Int) {
        pinned += bytes
        accounts.pinned(bytes, by: self)
    }

    func release() {
        accounts.adjustMemory(of: session, by: -pinned)
        pinned = 0
    }
}
