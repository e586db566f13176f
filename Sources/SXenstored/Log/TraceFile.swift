// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// The file that `--trace-file` names. It gets a line for every message, in C xenstored's form, so that scripts for
/// traces can read it.
///
/// It lives as long as the process. If the disk is slow, or nobody reads the fifo, the trace loses lines, and the
/// daemon does not wait.
final class TraceFile {
    private let path: String
    private let descriptor: Int32
    private let writer: LineWriter

    /// Enough for a disk that stalls for a second under a heavy load.
    private static let bytesMax = 16 << 20

    init(path: String) throws(SystemError) {
        self.path = path
        let descriptor = try TraceFile.open(path)
        self.descriptor = descriptor
        writer = LineWriter(bytesMax: Self.bytesMax) { writeAll(Array("\($0.text)\n".utf8), to: descriptor) }
        writer.start()
    }

    private static func open(_ path: String) throws(SystemError) -> Int32 {
        Process.makeFolder(above: path)
        // With O_NONBLOCK a fifo without a reader is an error. Without it the daemon would wait for a reader for ever.
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK
        let descriptor = Glibc.open(path, flags, 0o600)
        if descriptor < 0 { throw SystemError(errno, doing: "open the trace file '\(path)'") }
        return descriptor
    }

    /// Opens a new file under the same name, after somebody has renamed the old one (SIGHUP).
    func reopen() throws(SystemError) {
        let new = try TraceFile.open(path)
        // The thread may be writing, so the descriptor must never be free for another file.
        dup3(new, descriptor, O_CLOEXEC)
        close(new)
    }

    func write(_ entry: TraceEntry) {
        let direction = entry.isRequest ? "IN" : "OUT"
        let now = time(nil)
        let line =
            "io: \(direction) \(entry.session) (d\(entry.domain.rawValue)) \(format(now, "%Y%m%d %H:%M:%S")) "
            + "\(entry.operation) (\(entry.payload))"
        writer.write(LogLine(level: .info, time: now, text: line.onOneLine))
    }

    /// Waits at most a second until all lines are written.
    func flush() { writer.flush() }
}
