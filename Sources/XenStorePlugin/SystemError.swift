// SPDX-License-Identifier: Apache-2.0

/// A system call that failed: which, on what, and how.
public struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The C `errno`.
    public var code: Int32
    /// What was being done, for the log: `bind /run/xenstored/socket`.
    public var doing: String
    /// What to tell the operator to do about it, if there is something.
    public var advice: String?

    public init(_ code: Int32, doing: String, advice: String? = nil) {
        self.code = code
        self.doing = doing
        self.advice = advice
    }

    public var description: String {
        "\(doing): error \(code)" + (advice.map { "; \($0)" } ?? "")
    }
}
