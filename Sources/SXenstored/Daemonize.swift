// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// Which of the two processes this is, after the fork.
enum Background {
    /// The process that becomes the daemon.
    case daemon(Launcher)
    /// The process that the operator has started. The daemon serves by now or has failed, so this process must exit
    /// with this status. `daemon` is nil if the daemon has failed.
    case launcher(exitStatus: Int32, daemon: pid_t?)

    /// Forks. Call it before anything makes threads, descriptors or locks, which a fork does not copy whole.
    static func enter() throws(SystemError) -> Background {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SystemError(errno, doing: "create a pipe") }
        let child = linux_fork()
        guard child >= 0 else {
            let failure = errno
            ends.forEach { close($0) }
            throw SystemError(failure, doing: "fork into the background")
        }
        if child == 0 {
            close(ends[0])
            _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
            setsid()
            return .daemon(Launcher(pipe: ends[1]))
        }
        close(ends[1])
        defer { close(ends[0]) }
        DaemonLog.shared.leaveToOther()
        return outcome(of: child, ends[0])
    }

    /// Waits until the daemon serves or ends. The daemon reports errors on the stderr that it shares with us.
    private static func outcome(of child: pid_t, _ pipe: Int32) -> Background {
        var word: UInt8 = 0
        var count = read(pipe, &word, 1)
        while count < 0 && errno == EINTR { count = read(pipe, &word, 1) }
        if count == 1 { return .launcher(exitStatus: EXIT_SUCCESS, daemon: child) }

        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 {
            if errno != EINTR { return .launcher(exitStatus: EXIT_FAILURE, daemon: nil) }
        }
        let signal = status & 0x7f
        guard signal == 0 else {
            DaemonLog.shared.write(.error, "the daemon was ended by signal \(signal) before it served")
            return .launcher(exitStatus: EXIT_FAILURE, daemon: nil)
        }
        return .launcher(exitStatus: status >> 8 & 0xff, daemon: nil)
    }
}

/// The process that the operator has started, as the daemon sees it.
struct Launcher {
    fileprivate let pipe: Int32

    /// Lets the launcher exit, since the daemon serves, and closes what the daemon shares with it.
    func release() {
        Process.releaseStandardDescriptors()
        // The daemon should not keep a file system busy.
        _ = chdir("/")
        var word: UInt8 = 1
        // An error here means that somebody interrupted the launcher. The daemon serves all the same.
        _ = write(pipe, &word, 1)
        close(pipe)
    }
}
