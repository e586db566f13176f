// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Prepares the process before it opens a file or writes a message.
enum Process {
    /// Opens /dev/null in place of each closed standard descriptor. Otherwise the next file that is opened would get
    /// its number, and messages for standard error would go into that file.
    static func fillStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            openNull()
        }
    }

    /// Replaces the standard descriptors by /dev/null, so that the daemon no longer holds the terminal.
    static func releaseStandardDescriptors() {
        let nothing = openNull()
        guard nothing >= 0 else { return }
        for descriptor in STDIN_FILENO...STDERR_FILENO { dup2(nothing, descriptor) }
        if nothing > STDERR_FILENO { close(nothing) }
    }

    /// Opens /dev/null. If it does not exist, opens a folder, which can be neither read nor written.
    @discardableResult
    private static func openNull() -> Int32 {
        let null = open("/dev/null", O_RDWR)
        return null >= 0 ? null : open("/", O_RDONLY | O_DIRECTORY)
    }

    /// Signals that would end the daemon although their sender does not mean that. SIGXFSZ: a file may not grow, and the
    /// write fails with an error instead.
    private static let meaningless = [
        SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGXFSZ,
    ]

    /// Sets signals and the umask to the daemon's needs, in place of what it has inherited. SIGHUP waits until the
    /// daemon serves.
    static func settle() {
        for number in meaningless { signal(number, SIG_IGN) }
        var hangUp = sigset_t()
        sigemptyset(&hangUp)
        sigaddset(&hangUp, SIGHUP)
        pthread_sigmask(SIG_BLOCK, &hangUp, nil)
        // A child inherits an ignored SIGCHLD from its parent, and then could not wait for its own children.
        signal(SIGCHLD, SIG_DFL)
        // Files get the modes that the configuration says.
        umask(0o022)
    }

    /// Raises the soft limit to the hard one. Each client costs a descriptor, and the soft limit only protects programs
    /// that use `select`.
    static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// Makes the missing folders above a file. It ignores errors, since opening the file reports them.
    static func makeFolder(above path: String) {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return }
        let folder = String(path[..<slash])
        if access(folder, F_OK) == 0 { return }
        makeFolder(above: folder)
        mkdir(folder, 0o755)
    }
}
