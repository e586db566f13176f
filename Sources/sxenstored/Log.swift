// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import XenStoreKernel

/// Where every line of the log goes: to stderr, or once in the background to syslog.
final class DaemonLog: Sendable {
    static let shared = DaemonLog()

    private let threshold = Atomic<UInt8>(LogLevel.notice.rawValue)
    private let isInBackground = Atomic<Bool>(false)

    /// Lines below this are dropped. It can change while the daemon runs.
    var level: LogLevel {
        get { LogLevel(rawValue: threshold.load(ordering: .relaxed)) ?? .notice }
        set { threshold.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// Stderr is about to go.
    func moveToSyslog() {
        // The C library keeps the pointer.
        openlog(strdup("sxenstored"), LOG_PID, LOG_DAEMON)
        isInBackground.store(true, ordering: .relaxed)
    }

    /// What plugins write to.
    var forPlugins: PluginLog {
        PluginLog { [self] level, text in if level >= self.level { write(level, text()) } }
    }

    func write(_ level: LogLevel, _ text: String) {
        guard level >= self.level else { return }
        guard isInBackground.load(ordering: .relaxed) else {
            let line = Array("sxenstored: \(level): \(text)\n".utf8)
            _ = Glibc.write(STDERR_FILENO, line, line.count)
            return
        }
        text.withCString { text in withVaList([text]) { vsyslog(level.syslogPriority, "%s", $0) } }
    }
}

extension LogLevel {
    fileprivate var syslogPriority: Int32 {
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
