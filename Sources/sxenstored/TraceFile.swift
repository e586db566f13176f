// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStoreKernel

/// The file that `--trace-file` names: a line for every message, in C xenstored's form, so that the
/// scripts which read that one's traces read ours.
final class TraceFile {
    private let path: String
    private var descriptor: Int32

    init(path: String) throws(SystemError) {
        self.path = path
        descriptor = try TraceFile.open(path)
    }

    deinit { close(descriptor) }

    private static func open(_ path: String) throws(SystemError) -> Int32 {
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        if descriptor < 0 { throw SystemError(errno, doing: "open the trace file \(path)") }
        return descriptor
    }

    /// Goes on in a new file under the same name: the old one has been rotated away (SIGHUP).
    func reopen() throws(SystemError) {
        let new = try TraceFile.open(path)
        close(descriptor)
        descriptor = new
    }

    func write(_ entry: TraceEntry) {
        let direction = entry.isRequest ? "IN" : "OUT"
        let line =
            "io: \(direction) \(entry.session) (d\(entry.domain.rawValue)) \(timestamp()) "
            + "\(entry.operation) (\(entry.payload))\n"
        var bytes = Array(line.utf8)
        // A trace that cannot be written must not stop the daemon.
        _ = Glibc.write(descriptor, &bytes, bytes.count)
    }

    private func timestamp() -> String {
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { text in
            guard let start = text.baseAddress else { return "" }
            strftime(start, text.count, "%Y%m%d %H:%M:%S", &parts)
            return String(cString: start)
        }
    }
}
