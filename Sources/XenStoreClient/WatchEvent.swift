// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Something changed at or below a watched path.
public struct WatchEvent: Sendable, Hashable {
    /// The changed path; it is relative if the watch's path was.
    public var path: String
    /// The token that the watch was registered with.
    public var token: String

    public init(path: String, token: String) {
        self.path = path
        self.token = token
    }

    init(payload: [UInt8]) throws(ProtocolViolation) {
        let strings = payload.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
        guard strings.count == 3 else { throw .malformedPayload(of: .watchEvent) }
        path = String(decoding: strings[0], as: UTF8.self)
        token = String(decoding: strings[1], as: UTF8.self)
    }
}
