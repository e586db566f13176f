// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// The user of a snapshot who pays for what is kept for it.
///
/// Others' writes make a snapshot grow. The reader pays for what it may read. So nobody else can make it pay, and it
/// pays for everything that it can see.
protocol SnapshotReader: AnyObject {
    func mayRead(_ permissions: borrowing PermissionList) -> Bool
    /// More bytes are kept for it.
    func pin(_ bytes: Int)
    /// Everything that was kept for it is gone.
    func release()
    /// The bytes for which it pays.
    var pinned: Int { get }
}
