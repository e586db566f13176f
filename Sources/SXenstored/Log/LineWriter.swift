// SPDX-License-Identifier: Apache-2.0
import Glibc
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
    // The mutex guards everything below.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let change = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var waiting: [LogLine] = []
    private var waitingBytes = 0
    /// The number of lines that were dropped, as the memory was full.
    private var dropped = 0
    private var hasThread = false
    private var isWriting = false

    init(bytesMax: Int, _ output: @escaping Output) {
        self.bytesMax = bytesMax
        self.output = output
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(change, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    /// Runs only if there is no thread, since the thread holds a reference to the writer.
    deinit {
        pthread_cond_destroy(change)
        pthread_mutex_destroy(mutex)
        change.deallocate()
        mutex.deallocate()
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
            pthread_cond_broadcast(change)
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
                if pthread_cond_timedwait(change, mutex, &deadline) == ETIMEDOUT { return }
            }
        }
    }

    private func locked<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    // MARK: The thread

    /// Starts the thread with all signals blocked: they go to the daemon's own thread. If it cannot start, lines wait
    /// until the memory is full.
    private func startThread() -> Bool {
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { writer in
                if let writer { Unmanaged<LineWriter>.fromOpaque(writer).takeRetainedValue().run() }
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        guard code == 0 else {
            Unmanaged.passUnretained(self).release()
            return false
        }
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
            pthread_cond_broadcast(change)
            while waiting.isEmpty, dropped == 0 { pthread_cond_wait(change, mutex) }
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
