// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import XenStoreKernel

/// Where every line of the log goes: to standard error, or once in the background to the system's log.
///
/// It never waits for who takes the lines: a ``LineWriter`` does.
final class DaemonLog: Sendable {
    static let shared = DaemonLog()

    private let threshold = Atomic<UInt8>(LogLevel.notice.rawValue)
    private let writer: LineWriter
    private let isInBackground: Background

    /// Some 10,000 lines.
    private static let bytesMax = 1 << 20

    /// Whether standard error is gone; the writer's thread looks at it, too.
    private final class Background: Sendable {
        let value = Atomic<Bool>(false)
    }

    private init() {
        let isInBackground = Background()
        let standardError = StandardError()
        let systemLog = Mutex(SystemLog())
        writer = LineWriter(bytesMax: Self.bytesMax) { line in
            guard isInBackground.value.load(ordering: .relaxed) else { return standardError.write(line) }
            return systemLog.withLock { $0.write(line) }
        }
        self.isInBackground = isInBackground
    }

    /// Lines below this are dropped. It can change while the daemon runs.
    var level: LogLevel {
        get { LogLevel(rawValue: threshold.load(ordering: .relaxed)) ?? .notice }
        set { threshold.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// What plugins write to.
    var forPlugins: PluginLog {
        PluginLog { [self] level, text in if level >= self.level { write(level, text()) } }
    }

    func write(_ level: LogLevel, _ text: String) {
        if level >= self.level { writer.write(LogLine(level: level, text: text.onOneLine)) }
    }

    /// Begins to write what was said. No fork may come after it.
    func start() { writer.start() }

    /// The process has been forked and the other one writes what was said so far.
    func leaveToOther() { writer.discard() }

    /// Standard error is about to go.
    func moveToSystemLog() {
        flush()
        isInBackground.value.store(true, ordering: .relaxed)
    }

    /// Gives what was said a moment to be written.
    func flush() { writer.flush() }
}

extension LogLevel {
    /// As syslog and the journal count.
    var syslogPriority: Int32 {
        switch self {
        case .debug: LOG_DEBUG
        case .info: LOG_INFO
        case .notice: LOG_NOTICE
        case .warning: LOG_WARNING
        case .error: LOG_ERR
        }
    }
}

extension SystemError {
    /// For the operator: what could not be done, what the system says, and what to do about it.
    var explanation: String {
        "can't \(doing): \(String(cString: strerror(code)))" + (advice.map { "; \($0)" } ?? "")
    }
}
