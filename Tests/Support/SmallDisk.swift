// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A file system of a few mebibytes. It ends with this object.
public final class SmallDisk {
    public let folder: TemporaryFolder

    public init(mebibytes: Int) throws {
        folder = try TemporaryFolder()
        guard mount("none", folder.path, "tmpfs", 0, "size=\(mebibytes)m") == 0 else {
            throw Trouble.system("mount")
        }
    }

    deinit { umount2(folder.path, 2) }

    /// Whether this process may mount a file system.
    public static let isPossible: Bool = {
        guard let folder = try? TemporaryFolder(), mount("none", folder.path, "tmpfs", 0, "size=1m") == 0 else {
            return false
        }
        umount2(folder.path, 2)
        return true
    }()

    /// Takes all free room.
    public func fill() {
        let filler = open(folder.file("filler"), O_WRONLY | O_CREAT | O_APPEND, 0o600)
        let block = [UInt8](repeating: 1, count: 4096)
        while write(filler, block, block.count) > 0 {}
        close(filler)
    }

    public func free() { unlink(folder.file("filler")) }

    /// Changes whether the file system is read-only. Waits while a file is open for writing: a child process of another
    /// test has a copy of every descriptor until it executes its program.
    public func setReadOnly(_ isSo: Bool) throws {
        let flags = UInt(MS_REMOUNT | (isSo ? MS_RDONLY : 0))
        let deadline = Deadline()
        while mount("none", folder.path, "tmpfs", flags, nil) != 0 {
            guard errno == EBUSY, deadline.milliseconds > 0 else { throw Trouble.system("remount") }
            sched_yield()
        }
    }
}
