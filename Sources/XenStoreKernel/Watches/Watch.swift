// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A session's wish to hear of changes at a path and below.
final class Watch {
    unowned let session: Session
    /// Absolute, without a NUL.
    let path: [UInt8]
    let token: [UInt8]
    /// How many bytes of an event's path the client does not want to see: it spelled the watch
    /// relative to its home.
    let hiddenPrefix: Int
    /// How many levels below the path are of interest; nil for all.
    let depth: Int?
    /// Goes up with each watch: events of one change go out in the order of the watches' making.
    let serial: UInt64
    /// The hash of the path.
    let hash: UInt64

    init(
        session: Session, path: Path, token: UnsafeRawBufferPointer, hiddenPrefix: Int, depth: Int?,
        serial: UInt64
    ) {
        self.session = session
        self.path = Array(path.bytes)
        self.token = Array(token)
        self.hiddenPrefix = hiddenPrefix
        self.depth = depth
        self.serial = serial
        hash = path.hash
    }

    var isSpecial: Bool { path.first == UInt8(ascii: "@") }

    /// Bytes that count to the client's memory.
    var memory: Int { Watch.overhead + path.count + token.count }

    /// What a watch takes beside its text: the object, two arrays, and its places in two tables.
    static let overhead = 320

    func isEqual(path: UnsafeRawBufferPointer, token: UnsafeRawBufferPointer) -> Bool {
        self.path.withUnsafeBytes { $0.isEqual(to: path) }
            && self.token.withUnsafeBytes { $0.isEqual(to: token) }
    }

    @inline(__always)
    func isOn(_ path: UnsafeRawBufferPointer) -> Bool { self.path.withUnsafeBytes { $0.isEqual(to: path) } }

    /// Whether a change `levels` below the watched path is near enough.
    func reaches(_ levels: Int) -> Bool { depth.map { levels <= $0 } ?? true }
}
