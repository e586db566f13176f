// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// A program that runs beside the test, and ends with this object.
///
/// Its output goes to files, so it never waits for a reader. It holds one end of a socket pair. The other end becomes
/// readable when the program has died for any reason.
public final class ChildProcess {
    public let pid: pid_t
    public let lifeline: Int32
    private var status: Int32?

    /// - Parameters:
    ///   - arguments: the program, as an absolute path or a name to find in `PATH`, and its arguments.
    ///   - environment: variables besides those of the test itself.
    ///   - output: the file for its standard output; `errors` is the file for its standard error.
    public init(_ arguments: [String], environment: [String: String] = [:], output: String, errors: String) throws {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, linux_sock_stream | linux_sock_cloexec, 0, &ends) == 0 else {
            throw Trouble.system("make a lifeline")
        }
        defer { close(ends[1]) }
        lifeline = ends[0]

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 3)

        let all = ChildProcess.environment.merging(environment) { $1 }
        let words = arguments.map { strdup($0) } + [nil]
        let variables = all.map { strdup("\($0)=\($1)") } + [nil]
        defer { for string in words + variables { free(string) } }
        var pid: pid_t = 0
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Undo the signal settings of the tests' parent.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        let code = posix_spawnp(&pid, arguments[0], &actions, &attributes, words, variables)
        guard code == 0 else {
            close(lifeline)
            throw Trouble("can't start \(arguments[0]): \(String(cString: strerror(code)))")
        }
        self.pid = pid
    }

    deinit {
        if status == nil {
            kill(pid, SIGKILL)
            reap()
        }
        close(lifeline)
    }

    /// Sends a signal, unless the process has ended: its number may belong to another process then.
    public func send(_ signal: Int32) {
        if status == nil { kill(pid, signal) }
    }

    /// Stops the process, and returns when it does nothing any more. SIGCONT makes it go on, and SIGKILL ends it.
    public func freeze() throws {
        if status != nil { return }
        send(SIGSTOP)
        var info = siginfo_t()
        while waitid(P_PID, id_t(pid), &info, WSTOPPED | WEXITED | WNOWAIT) < 0 {
            guard errno == EINTR else { throw Trouble.system("wait for process \(pid) to stop") }
        }
    }

    /// Waits for the end, and returns the exit status; -n if signal n ended the process.
    public func wait(_ deadline: Deadline = Deadline()) throws -> Int32 {
        if let status { return status }
        guard try !waitUntilReady([(lifeline, POLLIN)], deadline).isEmpty else {
            throw Trouble("process \(pid) goes on and on")
        }
        return reap()
    }

    public var isAlive: Bool {
        get throws { try status == nil && waitUntilReady([(lifeline, POLLIN)], Deadline(in: .zero)).isEmpty }
    }

    @discardableResult
    private func reap() -> Int32 {
        var end: Int32 = 0
        while waitpid(pid, &end, 0) < 0, errno == EINTR {}
        let signal = end & 0x7f
        let status = signal == 0 ? (end >> 8) & 0xff : -signal
        self.status = status
        return status
    }

    private static var environment: [String: String] {
        var variables: [String: String] = [:]
        var next = environ
        while let text = next.pointee.map({ String(cString: $0) }) {
            // The tests must not use the daemon that the user's shell has chosen.
            if let sign = text.firstIndex(of: "="), !text.hasPrefix("XENSTORED_") {
                variables[String(text[..<sign])] = String(text[text.index(after: sign)...])
            }
            next += 1
        }
        return variables
    }
}

/// The end of a program, and its output.
public struct Outcome: Equatable, Sendable {
    /// The exit status, or -n if signal n ended it.
    public var status: Int32
    public var output: String
    public var errors: String

    public init(status: Int32, output: String = "", errors: String = "") {
        (self.status, self.output, self.errors) = (status, output, errors)
    }
}

/// Runs a program to its end.
public func run(
    _ arguments: [String], environment: [String: String] = [:], within: Duration = .seconds(60)
) throws -> Outcome {
    let folder = try TemporaryFolder()
    let process = try ChildProcess(
        arguments, environment: environment, output: folder.file("output"), errors: folder.file("errors"))
    let status = try process.wait(Deadline(in: within))
    return Outcome(status: status, output: folder.text(of: "output"), errors: folder.text(of: "errors"))
}
