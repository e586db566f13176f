// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStoreKernel

/// The file that `--trace-file` names: a line for every message, in C xenstored's form, so that the
/// scripts which read that one's traces read ours.
///
/// Lives as long as the process. A disk that is slow, or a fifo that nobody reads, costs lines of the trace
/// and keeps nobody waiting.
final class TraceFile {
    private let path: String
    private let descriptor: Int32
    private let writer: LineWriter

    /// What waits for a disk that stalls for a second under a heavy load.
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
        // A fifo without a reader is an error then, and not a daemon that never starts.
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK
        let descriptor = Glibc.open(path, flags, 0o600)
        if descriptor < 0 { throw SystemError(errno, doing: "open the trace file '\(path)'") }
        return descriptor
    }

    /// Goes on in a new file under the same name: the old one has been rotated away (SIGHUP).
    func reopen() throws(SystemError) {
        let new = try TraceFile.open(path)
        // The thread may be writing: the number must at no time be free for another file.
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

    /// Gives what waits a moment to be written.
    func flush() { writer.flush() }
}
