// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// A transaction of a client that has limits, as the one who looks back through its snapshot and pays for that.
final class TransactionReader: SnapshotReader {
    unowned let session: Session
    /// The number of its transaction in the session.
    let transaction: UInt32
    private let accounts: Accounts
    private(set) var pinned = 0
    /// The accounts list it with those who have come to pay for more.
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
