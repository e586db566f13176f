// SPDX-License-Identifier: Apache-2.0

/// A failed system call.
public struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The C `errno`.
    public var code: Int32
    /// The action, for the log: `bind /run/xenstored/socket`.
    public var doing: String
    /// Advice for the operator, if there is any.
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
