// SPDX-License-Identifier: Apache-2.0
import Glibc
import Threads
import XenStorePlugin

/// One line of the log.
struct LogLine: Sendable {
    var level: LogLevel
    /// The time of the event, in seconds since 1970.
    var time = Glibc.time(nil)
    /// Without a line break.
    var text: String

    /// Roughly how much memory the line takes.
    fileprivate var bytes: Int { text.utf8.count + MemoryLayout<LogLine>.size }
}

/// Writes lines on a thread of its own. A reader that does not read, or a slow disk, delays only that thread.
///
/// The memory for waiting lines is bounded. The writer counts the lines that it has to drop, and those that it cannot
/// write. As soon as it can write again, it writes a line with their number in their place.
final class LineWriter: @unchecked Sendable {
    /// Writes one line, and waits as long as it must. Returns 0 or an `errno`.
    typealias Output = @Sendable (LogLine) -> Int32

    private let output: Output
    private let bytesMax: Int
    // It guards everything below.
    private let monitor = Monitor()
    private var waiting: [LogLine] = []
    private var waitingBytes = 0
    /// The number of lines that were dropped, as the memory was full.
    private var dropped = 0
    private var hasThread = false
    private var isWriting = false

    init(bytesMax: Int, _ output: @escaping Output) {
        self.bytesMax = bytesMax
        self.output = output
    }

    /// Adds a line to those that the thread writes. Never waits. Before ``start()`` the lines only wait.
    func write(_ line: LogLine) {
        locked {
            if waitingBytes + line.bytes > bytesMax {
                dropped += 1
            } else {
                waiting.append(line)
                waitingBytes += line.bytes
            }
            monitor.tellChange()
        }
    }

    /// Starts the thread, if there is none. The process must not fork after this.
    func start() {
        locked {
            if !hasThread { hasThread = startThread() }
        }
    }

    /// Drops the lines that wait: another process has them, too, and writes them.
    func discard() {
        locked {
            waiting = []
            waitingBytes = 0
            dropped = 0
        }
    }

    /// Waits until all lines are written, but no longer than this.
    func flush(seconds: Int = 1) {
        if locked({ waiting.isEmpty && dropped == 0 && !isWriting }) { return }
        start()
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        deadline.tv_sec += seconds
        locked {
            while hasThread, !waiting.isEmpty || dropped > 0 || isWriting {
                if !monitor.awaitChange(until: deadline) { return }
            }
        }
    }

    private func locked<Value>(_ body: () -> Value) -> Value { monitor.locked(body) }

    // MARK: The thread

    /// Starts the thread, which keeps the writer. If it cannot start, lines wait until the memory is full.
    private func startThread() -> Bool {
        guard let thread = Thread.start({ self.run() }) else { return false }
        pthread_detach(thread)
        return true
    }

    private func run() -> Never {
        var missing = Missing()
        while true {
            let (lines, dropped) = takeAll()
            for line in lines { missing.write(line, to: output) }
            missing.add(dropped, because: 0)
            missing.tell(output)
        }
    }

    private func takeAll() -> (lines: [LogLine], dropped: Int) {
        locked {
            isWriting = false
            monitor.tellChange()
            while waiting.isEmpty, dropped == 0 { monitor.awaitChange() }
            isWriting = true
            defer {
                waiting = []
                waitingBytes = 0
                dropped = 0
            }
            return (waiting, dropped)
        }
    }
}

/// Counts lost lines, until a line about them is written.
private struct Missing {
    private var count = 0
    private var reason: Int32 = 0

    mutating func add(_ lines: Int, because reason: Int32) {
        if lines == 0 { return }
        count += lines
        self.reason = reason
    }

    mutating func write(_ line: LogLine, to output: LineWriter.Output) {
        tell(output)
        let failure = output(line)
        if failure != 0 { add(1, because: failure) }
    }

    mutating func tell(_ output: LineWriter.Output) {
        if count == 0 { return }
        let why = reason == 0 ? "they came faster than they could be written" : String(cString: strerror(reason))
        let lines = count == 1 ? "1 line is" : "\(count) lines are"
        if output(LogLine(level: .warning, text: "\(lines) missing here: \(why)")) == 0 { count = 0 }
    }
}
