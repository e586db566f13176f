// SPDX-License-Identifier: Apache-2.0

/// What a file holds that only its owner may read. As text it is always stars, so that no message shows it by mistake.
public struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The file that it comes from.
    public let file: String
    /// The file's content, without a line break at its end.
    public let bytes: [UInt8]

    public init(_ bytes: [UInt8], from file: String) {
        self.bytes = bytes
        self.file = file
    }

    /// Whether it is these bytes. The time that this takes does not tell how many of them are right.
    public func matches(_ other: some Collection<UInt8>) -> Bool {
        guard other.count == bytes.count else { return false }
        return zip(bytes, other).reduce(0 as UInt8) { $0 | ($1.0 ^ $1.1) } == 0
    }

    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
