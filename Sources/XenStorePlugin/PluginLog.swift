// SPDX-License-Identifier: Apache-2.0

/// Where a plugin writes what an operator should know.
///
/// A plugin gets it with its configuration (``ConfigurationBlock/log``), and it can be used from then on, by
/// any thread. Where a line goes, and whether it is wanted at all, is decided when it is written, so it does
/// not matter how early the plugin was made.
public struct PluginLog: Sendable {
    private let sink: @Sendable (LogLevel, () -> String) -> Void

    /// `sink` gets every line. The text costs nothing as long as `sink` does not ask for it.
    public init(_ sink: @escaping @Sendable (LogLevel, () -> String) -> Void) { self.sink = sink }

    /// Drops every line.
    public static let silent = PluginLog { _, _ in }

    /// The same log, where each line begins with a name and a colon.
    public func named(_ name: String) -> PluginLog {
        PluginLog { [sink] level, text in sink(level) { "\(name): \(text())" } }
    }

    public func write(_ level: LogLevel, _ text: @autoclosure () -> String) { sink(level, text) }

    /// Why something is as it is, for those who look for a fault.
    public func debug(_ text: @autoclosure () -> String) { sink(.debug, text) }
    /// What goes on.
    public func info(_ text: @autoclosure () -> String) { sink(.info, text) }
    /// What goes on and does not happen every day.
    public func notice(_ text: @autoclosure () -> String) { sink(.notice, text) }
    /// What works, but not as it is meant to.
    public func warning(_ text: @autoclosure () -> String) { sink(.warning, text) }
    /// What does not work.
    public func error(_ text: @autoclosure () -> String) { sink(.error, text) }
}

/// How loud a line of the log is.
public enum LogLevel: UInt8, Sendable, Comparable {
    case debug, info, notice, warning, error
    public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}
