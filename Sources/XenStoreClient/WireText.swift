// SPDX-License-Identifier: Apache-2.0

/// A path, a token or a value in a request. It is mostly a `String`. Plain bytes are for a user's input that must reach the
/// daemon unchanged, even if it is not valid UTF-8.
public protocol WireText: Sendable {
    /// The bytes to be sent, without a NUL after them.
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
