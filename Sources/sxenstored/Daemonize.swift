// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStoreKernel

/// Which of the two processes goes on after going to the background.
enum Background {
    /// The one that becomes the daemon.
    case daemon(Launcher)
    /// The one that was started. The daemon serves or has failed; there is nothing left to do but to
    /// exit with this status. `daemon` is nil if it does not serve.
    case launcher(exitStatus: Int32, daemon: pid_t?)

    /// Forks. It must come before threads, descriptors and locks, which don't survive it whole.
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

    /// Until the daemon says that it serves, or ends. Why it ended it has told on our stderr, which it has, too.
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

/// The process that was started by the operator, as the daemon sees it.
struct Launcher {
    fileprivate let pipe: Int32

    /// The daemon serves: lets the launcher exit, and what it had of it go.
    func release() {
        Process.releaseStandardDescriptors()
        // No file system should be busy because of us.
        _ = chdir("/")
        var word: UInt8 = 1
        // A launcher that was interrupted meanwhile is no reason not to serve.
        _ = write(pipe, &word, 1)
        close(pipe)
    }
}
