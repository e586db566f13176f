// SPDX-License-Identifier: Apache-2.0

/// The log of a plugin, for the operator.
///
/// A plugin gets it in its configuration (``ConfigurationBlock/log``). It may use the log at once, from any thread. The
/// level and the place of the log are decided when a line is written.
public struct PluginLog: Sendable {
    private let sink: @Sendable (LogLevel, () -> String) -> Void

    /// `sink` gets every line. If `sink` does not ask for the text, the text costs nothing.
    public init(_ sink: @escaping @Sendable (LogLevel, () -> String) -> Void) { self.sink = sink }

    /// Drops every line.
    public static let silent = PluginLog { _, _ in }

    /// The same log, where each line begins with a name and a colon.
    public func named(_ name: String) -> PluginLog {
        PluginLog { [sink] level, text in sink(level) { "\(name): \(text())" } }
    }

    public func write(_ level: LogLevel, _ text: @autoclosure () -> String) { sink(level, text) }

    /// A detail that helps to find a fault.
    public func debug(_ text: @autoclosure () -> String) { sink(.debug, text) }
    /// Normal work.
    public func info(_ text: @autoclosure () -> String) { sink(.info, text) }
    /// An event that does not happen every day.
    public func notice(_ text: @autoclosure () -> String) { sink(.notice, text) }
    /// Something that works, but not as it should.
    public func warning(_ text: @autoclosure () -> String) { sink(.warning, text) }
    /// Something that does not work.
    public func error(_ text: @autoclosure () -> String) { sink(.error, text) }
}

/// The importance of a line in the log.
public enum LogLevel: UInt8, Sendable, Comparable, CustomStringConvertible {
    case debug, info, notice, warning, error

    /// As in the configuration and in the log. Without it Swift would look the name up by reflection, which takes a tenth
    /// of the daemon's start.
    public var description: String {
        switch self {
        case .debug: "debug"
        case .info: "info"
        case .notice: "notice"
        case .warning: "warning"
        case .error: "error"
        }
    }

    public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}
