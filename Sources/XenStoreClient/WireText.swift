// SPDX-License-Identifier: Apache-2.0

/// What may stand for a path, a token or a value in a request. Mostly a `String`; plain bytes
/// where what a user typed must reach the daemon unchanged, valid UTF-8 or not.
public protocol WireText: Sendable {
    /// The bytes as they are sent, without a NUL behind them.
    var wireBytes: [UInt8] { get }
}

extension String: WireText {
    public var wireBytes: [UInt8] { Array(utf8) }
}

extension Substring: WireText {
    public var wireBytes: [UInt8] { Array(utf8) }
}

extension [UInt8]: WireText {
    public var wireBytes: [UInt8] { self }
}

extension ArraySlice<UInt8>: WireText {
    public var wireBytes: [UInt8] { Array(self) }
}
