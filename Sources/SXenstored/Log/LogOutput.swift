// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// Writes lines to standard error: a terminal, a file or the journal.
struct StandardError: Sendable {
    /// Whether standard error is the journal, which reads a priority before each line.
    let isJournal: Bool

    init(journal: String? = getenv("JOURNAL_STREAM").map { String(cString: $0) }) {
        var status = stat()
        isJournal = fstat(STDERR_FILENO, &status) == 0 && journal == "\(status.st_dev):\(status.st_ino)"
    }

    func write(_ line: LogLine) -> Int32 {
        let priority = isJournal ? "<\(line.level.syslogPriority)>" : ""
        return writeAll(Array("\(priority)sxenstored: \(line.level): \(line.text)\n".utf8), to: STDERR_FILENO)
    }
}

/// Writes lines to the socket of the system's log. The C library's `syslog` would not report lost lines.
struct SystemLog {
    private let path: String
    private var descriptor: Int32 = -1
    private var isStream = false

    init(path: String = "/dev/log") { self.path = path }

    /// Writes a line, and waits until the system's log takes it. Returns 0 or an `errno`.
    mutating func write(_ line: LogLine) -> Int32 {
        let priority = LOG_DAEMON | line.level.syslogPriority
        var bytes = Array(
            "<\(priority)>\(format(line.time, "%b %e %H:%M:%S")) sxenstored[\(getpid())]: \(line.text)".utf8)
        var failure: Int32 = 0
        // Two attempts, as the system's log may have been restarted since the last line.
        for _ in 0..<2 {
            if descriptor < 0 {
                failure = connect()
                if failure != 0 { return failure }
            }
            if isStream, bytes.last != 0 { bytes.append(0) }
            if send(descriptor, bytes, bytes.count, linux_msg_nosignal) == bytes.count { return 0 }
            failure = errno
            close(descriptor)
            descriptor = -1
        }
        return failure
    }

    private mutating func connect() -> Int32 {
        guard let address = UnixSocketName(path) else { return ENAMETOOLONG }
        var failure = EPROTOTYPE
        for type in [linux_sock_datagram, linux_sock_stream] where failure == EPROTOTYPE {
            descriptor = socket(AF_UNIX, type | linux_sock_cloexec, 0)
            guard descriptor >= 0 else { return errno }
            if address.with({ Glibc.connect(descriptor, $0, $1) }) == 0 {
                isStream = type == linux_sock_stream
                return 0
            }
            failure = errno
            close(descriptor)
            descriptor = -1
        }
        return failure
    }
}

/// Writes all bytes, and waits as long as it must. Returns 0 or an `errno`.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count >= 0 {
            rest = rest.dropFirst(count)
        } else if errno == EAGAIN {
            // Another process that shares the open file has made it non-blocking.
            var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            poll(&ready, 1, -1)
        } else if errno != EINTR {
            return errno
        }
    }
    return 0
}

/// Formats a time as local time, in a form of `strftime`.
func format(_ time: time_t, _ form: String) -> String {
    var time = time
    var parts = tm()
    localtime_r(&time, &parts)
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
        guard let start = text.baseAddress, strftime(start, text.count, form, &parts) > 0 else { return "" }
        return String(cString: start)
    }
}
