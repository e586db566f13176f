// SPDX-License-Identifier: Apache-2.0

/// Who looks back through a snapshot, and pays for what is kept for it: a transaction of a client that has
/// limits.
///
/// What a snapshot pins grows by others' writes. The reader pays for what it may read: nobody else can make
/// it pay, and it cannot have kept for nothing what it can see.
final class SnapshotReader {
    unowned let session: Session
    /// The number of its transaction in the session.
    let transaction: UInt32
    private let accounts: Accounts
    /// Bytes that it pays for.
    private(set) var pinned = 0
    /// The accounts list it with those who have come to pay for more.
    var isListed = false

    init(session: Session, transaction: UInt32, accounts: Accounts) {
        self.session = session
        self.transaction = transaction
        self.accounts = accounts
    }

    func mayRead(_ permissions: borrowing PermissionList) -> Bool { accounts.mayAccess(permissions, .read, session) }

    /// More is kept for it.
    func pin(_ bytes: Int) {
        pinned += bytes
        accounts.pinned(bytes, by: self)
    }

    /// All that was kept for it is gone.
    func release() {
        accounts.adjustMemory(of: session, by: -pinned)
        pinned = 0
    }
}
