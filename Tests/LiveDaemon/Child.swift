// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A process of ours. Foundation's `Process` hands on the signal mask of whatever thread starts it,
/// with which a daemon may be deaf to SIGTERM and a shell pipeline to SIGPIPE.
public final class Child: Sendable {
    public let pid: pid_t

    /// - Parameters:
    ///   - environment: what differs from our own; nil takes a variable away.
    ///   - output, errors: descriptors; without one, to nowhere.
    public init(
        _ command: [String], environment changes: [String: String?] = [:], output: Int32? = nil,
        errors: Int32? = nil
    ) throws {
        var environment = ProcessInfo.processInfo.environment
        for (name, value) in changes { environment[name] = value }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for (target, source) in [(1 as Int32, output), (2, errors)] {
            if let source {
                posix_spawn_file_actions_adddup2(&actions, source, target)
            } else {
                posix_spawn_file_actions_addopen(&actions, target, "/dev/null", O_WRONLY, 0)
            }
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        let arguments = command.map { strdup($0) } + [nil]
        let variables = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { (arguments + variables).forEach { free($0) } }
        var pid = pid_t()
        let failure = posix_spawn(&pid, command[0], &actions, &attributes, arguments, variables)
        guard failure == 0 else { throw POSIXError(POSIXErrorCode(rawValue: failure) ?? .EIO) }
        self.pid = pid
    }

    public var isRunning: Bool {
        var information = siginfo_t()
        let options = WEXITED | WNOHANG | WNOWAIT
        return waitid(P_PID, id_t(pid), &information, options) == 0
            && information.si_signo != SIGCHLD
    }

    public func kill() { _ = Foundation.kill(pid, SIGKILL) }

    /// Waits for the end; the exit status, or 128 and the signal as shells have it. Once only.
    @discardableResult
    public func wait() -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7f
        return signal == 0 ? status >> 8 & 0xff : 128 + signal
    }
}

/// What a finished process has said.
public struct Outcome: Equatable, Sendable {
    public var output = ""
    public var errors = ""
    public var status: Int32 = 0

    public init(output: String = "", errors: String = "", status: Int32 = 0) {
        (self.output, self.errors, self.status) = (output, errors, status)
    }

    /// Runs a command to its end.
    public static func of(
        _ command: [String], environment: [String: String?] = [:]
    ) throws -> Outcome {
        let (output, errors) = try (Scratch(), Scratch())
        let child = try Child(
            command, environment: environment, output: output.descriptor, errors: errors.descriptor)
        let status = child.wait()
        return Outcome(output: output.text, errors: errors.text, status: status)
    }

    /// A file without a name: unlike a pipe it needs nobody to read while the process writes.
    private final class Scratch {
        private let file = tmpfile()
        var descriptor: Int32 { file.map { fileno($0) } ?? -1 }

        init() throws { if file == nil { throw POSIXError(.EMFILE) } }

        deinit { if let file { fclose(file) } }

        var text: String {
            lseek(descriptor, 0, SEEK_SET)
            let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
            return String(decoding: (try? handle.readToEnd()) ?? Data(), as: UTF8.self)
        }
    }
}
