// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// Runs code of an unknown plugin in a process of its own, which may crash or never return.
struct TrialProcess {
    /// What the process has said by its end.
    struct Report {
        /// Each step, and the problems that it has found.
        var steps: [(name: String, problems: [String], isNote: Bool)] = []
        /// Why it did not come to its end; nil if it did.
        var death: String?
    }

    /// What the code calls to report. A step that ends the process is the last one in the report.
    struct Reporter {
        fileprivate let pipe: Int32

        func step(_ name: String, _ body: () throws -> [String]) {
            say("S", name)
            do {
                for problem in try body() { say("P", problem) }
            } catch {
                say("P", "\(error)")
            }
        }

        /// Tells the author something that is no problem.
        func note(_ text: String) { say("N", text) }

        private func say(_ kind: String, _ text: String) {
            let line = kind + text.split(separator: "\n").joined(separator: "; ") + "\n"
            _ = writeAll(Array(line.utf8), to: pipe)
        }
    }

    /// The longest time without a word. Most steps take a second or two; a slow storage on a busy machine takes longer.
    private static let patience: Int32 = 120_000

    static func run(_ body: (Reporter) -> Void) throws(SystemError) -> Report {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SystemError(errno, doing: "create a pipe") }
        let child = linux_fork()
        guard child >= 0 else { throw SystemError(errno, doing: "fork") }
        if child == 0 {
            close(ends[0])
            _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
            body(Reporter(pipe: ends[1]))
            // The plugin may have left threads and handlers for an ordinary exit.
            _exit(0)
        }
        close(ends[1])
        defer { close(ends[0]) }
        let (text, isLate) = readAll(ends[0])
        if isLate { kill(child, SIGKILL) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return Report(text, isLate: isLate, signal: status & 0x7f, status: status >> 8 & 0xff)
    }

    private static func readAll(_ pipe: Int32) -> (String, isLate: Bool) {
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 4096)
        var waiting = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
        while true {
            let ready = poll(&waiting, 1, patience)
            if ready < 0, errno == EINTR { continue }
            if ready == 0 { return (String(decoding: bytes, as: UTF8.self), true) }
            let count = read(pipe, &block, block.count)
            if count <= 0 { return (String(decoding: bytes, as: UTF8.self), false) }
            bytes += block[..<count]
        }
    }
}

extension TrialProcess.Report {
    fileprivate init(_ text: String, isLate: Bool, signal: Int32, status: Int32) {
        for line in text.split(separator: "\n") {
            let rest = String(line.dropFirst())
            if line.hasPrefix("S") {
                steps.append((rest, [], false))
            } else if line.hasPrefix("N") {
                steps.append((rest, [], true))
            } else if !steps.isEmpty {
                steps[steps.count - 1].problems.append(rest)
            }
        }
        if isLate {
            death = "it did not return"
        } else if signal != 0 {
            death = "it was ended by signal \(signal), \(String(cString: strsignal(signal)))"
        } else if status != 0 {
            death = "it ended the process with status \(status)"
        }
    }
}
