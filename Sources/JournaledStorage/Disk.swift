// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// The system's facts about the disk of a folder.
public enum Disk {
    /// The size of the disk and its free bytes; nil if the system does not tell, or the disk has no bounds.
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

    /// Whether the folder is on a file system in memory, which a power cut empties.
    static func isInMemory(_ folder: String) -> Bool {
        var status = statfs()
        let magics = [0x0102_1994, 0x8584_58f6]  // tmpfs and ramfs
        return statfs(folder, &status) == 0 && magics.contains(Int(status.f_type))
    }
}
