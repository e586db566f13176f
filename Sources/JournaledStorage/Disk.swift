// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// What the system says of the disk that a folder is on.
public enum Disk {
    /// Bytes of the disk, and those of them that nobody uses; nil if it does not say, or has no bounds.
    public static func space(in folder: String) -> (all: Int, free: Int)? {
        var disk = statvfs()
        guard statvfs(folder, &disk) == 0, disk.f_blocks > 0 else { return nil }
        func bytes(_ blocks: UInt) -> Int {
            let (bytes, isMuch) = Int(clamping: blocks).multipliedReportingOverflow(
                by: Int(clamping: disk.f_frsize))
            return isMuch ? .max : bytes
        }
        return (bytes(disk.f_blocks), bytes(disk.f_bavail))
    }

    /// Whether the folder is on a file system that loses all when the host stops.
    static func isInMemory(_ folder: String) -> Bool {
        var status = statfs()
        let magics = [0x0102_1994, 0x8584_58f6]  // tmpfs and ramfs
        return statfs(folder, &status) == 0 && magics.contains(Int(status.f_type))
    }
}
