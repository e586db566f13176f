// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A session's wish to learn of changes at a path and below it.
final class Watch {
    unowned let session: Session
    /// Absolute, without a NUL.
    let path: [UInt8]
    let token: [UInt8]
    /// The number of bytes at the start of an event's path that the client does not want to see, because it set the
    /// watch relative to its home.
    let hiddenPrefix: Int
    /// The number of levels below the path that matter; nil for all.
    let depth: Int?
    /// Grows with each watch. The events of one change go out in the order in which the watches were set.
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

    /// The bytes that count to the client's memory.
    var memory: Int { Watch.overhead + path.count + token.count }

    /// The bytes that a watch takes beside its text: the object, two arrays, and its places in two tables.
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
