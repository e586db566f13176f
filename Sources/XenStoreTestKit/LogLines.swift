// SPDX-License-Identifier: Apache-2.0
import Synchronization
import XenStorePlugin

/// The lines that a plugin logs, also from threads of its own.
///
///     let lines = LogLines()
///     lines.log.warning("the disk is full")
///     #expect(lines.contain("warning: the disk is full"))
public final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    /// Makes an empty list.
    public init() {}

    /// The log for the plugin's block.
    public var log: PluginLog {
        PluginLog { [self] level, text in
            let line = "\(level): \(text())"
            lines.withLock { $0.append(line) }
        }
    }

    /// All lines until now. Each begins with its level.
    public var all: [String] { lines.withLock { $0 } }

    /// Whether a line contains this text.
    public func contain(_ text: String) -> Bool { count(text) > 0 }

    /// The number of lines with this text.
    public func count(_ text: String) -> Int { all.count { $0.contains(text) } }
}
