// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// Who looks back through a snapshot, and pays for what is kept for it.
///
/// What a snapshot pins grows by others' writes. The reader pays for what it may read: nobody else can make
/// it pay, and it cannot have kept for nothing what it can see.
protocol SnapshotReader: AnyObject {
    func mayRead(_ permissions: borrowing PermissionList) -> Bool
    /// More is kept for it.
    func pin(_ bytes: Int)
    /// All that was kept for it is gone.
    func release()
    /// Bytes that it pays for.
    var pinned: Int { get }
}
