// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import XenStorePlugin

/// The daemon's log. It goes to standard error, and in the background to the system's log.
///
/// A caller never waits until a line is written. The thread of a ``LineWriter`` waits for the reader.
final class DaemonLog: Sendable {
    static let shared = DaemonLog()

    private let threshold = Atomic<UInt8>(LogLevel.notice.rawValue)
    private let writer: LineWriter
    private let isInBackground: Background

    /// Some 10,000 lines.
    private static let bytesMax = 1 << 20

    /// Whether the log has moved from standard error to the system's log. The writer's thread reads it.
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

    /// The log drops lines below this level. It can change while the daemon runs.
    var level: LogLevel {
        get { LogLevel(rawValue: threshold.load(ordering: .relaxed)) ?? .notice }
        set { threshold.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// The log as plugins get it.
    var forPlugins: PluginLog {
        PluginLog { [self] level, text in if level >= self.level { write(level, text()) } }
    }

    func write(_ level: LogLevel, _ text: String) {
        if level >= self.level { writer.write(LogLine(level: level, text: text.onOneLine)) }
    }

    /// Starts the thread that writes. The process must not fork after this.
    func start() { writer.start() }

    /// Drops the lines that wait. After a fork the other process has them, too, and writes them.
    func leaveToOther() { writer.discard() }

    /// Writes the lines that wait to standard error, and all later ones to the system's log.
    func moveToSystemLog() {
        flush()
        isInBackground.value.store(true, ordering: .relaxed)
    }

    /// Waits at most a second until all lines are written.
    func flush() { writer.flush() }
}

extension LogLevel {
    /// The number that syslog and the journal have for the level.
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
