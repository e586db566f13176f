// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What a process needs before it opens or says anything.
enum Process {
    /// Opens /dev/null in the place of each standard descriptor that is closed. The next file that is opened would
    /// get its number, and what is meant for standard error would be written into it.
    static func fillStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            openNull()
        }
    }

    /// Lets go of the terminal, or of whatever the standard descriptors are.
    static func releaseStandardDescriptors() {
        let nothing = openNull()
        guard nothing >= 0 else { return }
        for descriptor in STDIN_FILENO...STDERR_FILENO { dup2(nothing, descriptor) }
        if nothing > STDERR_FILENO { close(nothing) }
    }

    /// Where there is no /dev/null, a folder: it can be neither read nor written.
    @discardableResult
    private static func openNull() -> Int32 {
        let null = open("/dev/null", O_RDWR)
        return null >= 0 ? null : open("/", O_RDONLY | O_DIRECTORY)
    }

    /// Signals that would end the daemon, and that nobody means so.
    private static let meaningless = [
        SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR,
    ]

    /// The daemon's own ways with signals and files, whatever it was started from. SIGHUP waits until the daemon
    /// serves.
    static func settle() {
        for number in meaningless { signal(number, SIG_IGN) }
        var hangUp = sigset_t()
        sigemptyset(&hangUp)
        sigaddset(&hangUp, SIGHUP)
        pthread_sigmask(SIG_BLOCK, &hangUp, nil)
        // A parent that ignores it leaves that to its children, who then cannot wait for theirs.
        signal(SIGCHLD, SIG_DFL)
        // The modes that the configuration gives are what counts.
        umask(0o022)
    }

    /// Raises the soft limit, which is for programs that still use select: a guest or tool more costs a
    /// descriptor.
    static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// Makes the folders above a file that are missing. If that fails, opening the file tells.
    static func makeFolder(above path: String) {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return }
        let folder = String(path[..<slash])
        if access(folder, F_OK) == 0 { return }
        makeFolder(above: folder)
        mkdir(folder, 0o755)
    }
}
