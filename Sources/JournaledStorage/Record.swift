// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin
import XenStoreWire

/// Bytes that another object owns. They are compared and hashed by their content.
public struct Bytes: Hashable {
    /// The bytes.
    public let raw: UnsafeRawBufferPointer

    /// Borrows the bytes. They must live longer than this value.
    @inlinable
    public init(_ raw: UnsafeRawBufferPointer) { self.raw = raw }

    @inlinable
    public static func == (a: Bytes, b: Bytes) -> Bool {
        guard a.raw.count == b.raw.count else { return false }
        guard let first = a.raw.baseAddress, let second = b.raw.baseAddress else { return true }
        return memcmp(first, second, a.raw.count) == 0
    }

    @inlinable
    public func hash(into hasher: inout Hasher) { hasher.combine(mixed) }

    /// A number of all bytes. The hasher's own way takes some times as long, and guests' paths are long. The seed is
    /// random, so that no guest can choose keys that collide.
    @inlinable
    var mixed: UInt64 {
        let seed = Bytes.seed
        func mix(_ sum: UInt64, _ word: UInt64) -> UInt64 {
            let product = (sum ^ word).multipliedFullWidth(by: seed | 1)
            return product.low ^ product.high
        }
        var sum = seed ^ UInt64(truncatingIfNeeded: raw.count)
        var at = 0
        while at &+ 8 <= raw.count {
            sum = mix(sum, raw.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            at &+= 8
        }
        var last: UInt64 = 0
        while at < raw.count {
            last = last &<< 8 | UInt64(raw[at])
            at &+= 1
        }
        return mix(sum, last)
    }

    @usableFromInline static let seed = UInt64.random(in: .min ... .max)

    /// The bytes as text, for an operator.
    var text: String { String(decoding: raw, as: UTF8.self) }

    /// Whether this is the key of a node: a path.
    var isNode: Bool { raw.first == UInt8(ascii: "/") || raw.first == UInt8(ascii: "@") }
    var isSpecial: Bool { raw.first == UInt8(ascii: "@") }
    /// The kernel's key of a note, without the prefix that such keys have in a table; nil for any other key.
    var noteKey: UnsafeRawBufferPointer? {
        guard raw.starts(with: RecordKey.notePrefix) else { return nil }
        return UnsafeRawBufferPointer(rebasing: raw.dropFirst(RecordKey.notePrefix.count))
    }

    /// The likely owner of a record. A table may recognize its own files by it.
    public func owner(of record: UnsafeRawBufferPointer) -> RecordOwner {
        if raw.starts(with: RecordKey.ownPrefix) { return .store }
        let isPath = isNode && StoredPath.isValid(raw)
        if isPath, StoredNode(record) != nil { return .store }
        // A power cut may have left the key of a node and only a part of its record.
        return isPath || noteKey != nil ? .unknown : .other
    }
}

/// The program that a record belongs to.
public enum RecordOwner {
    case store
    /// A store could have such a key, but the record does not show it.
    case unknown
    /// Another program.
    case other
}

/// The keys of records that are not nodes. None of them is a valid path.
enum RecordKey {
    /// The prefix of keys for the kernel's notes.
    static let notePrefix = Array("note:".utf8)
    /// The prefix of keys for the daemon's own records.
    static let ownPrefix = Array("sxenstored:".utf8)
    /// The version of this layout, in decimal.
    static let format = Array("sxenstored:format".utf8)
    /// The boot of the host that the content belongs to.
    static let boot = Array("sxenstored:boot".utf8)
    /// A random number, which the journals of the store also have.
    static let store = Array("sxenstored:store".utf8)
    /// The number of the last batch in the table.
    static let folded = Array("sxenstored:folded".utf8)

    static let currentFormat = "1"

    /// The daemon's own records in a new store.
    static func all(boot: String, folded: UInt64) -> [(key: [UInt8], data: [UInt8])] {
        [
            (format, Array(currentFormat.utf8)), (Self.boot, Array(boot.utf8)),
            (store, Array("\(UInt64.random(in: 1...(.max)))".utf8)), (Self.folded, Array("\(folded)".utf8)),
        ]
    }
}

/// A node's record in the layout of C xenstored: a header, the permissions, the value, the names of the children, and
/// four bytes more, since the size in the header is rounded up.
struct StoredNode {
    var generation: UInt64
    var permissions: [Permission]
    var value: UnsafeRawBufferPointer
    /// The names of the children, each with a NUL after it.
    var children: UnsafeRawBufferPointer

    private static let headerSize = 20
    private static let permissionSize = 8
    private static let slack = 4

    /// Bits of a permission entry.
    private enum Bit {
        static let read: UInt32 = 1
        static let write: UInt32 = 2
        static let stale: UInt32 = 0x10
    }

    /// Takes a record apart. Nil if it is not the whole record of a node. Copies only the permissions.
    init?(_ data: UnsafeRawBufferPointer) {
        guard data.count >= Self.headerSize + Self.slack else { return nil }
        generation = data.number(at: 0)
        let entries = Int(data.number(at: 8) as UInt32)
        let valueLength = Int(data.number(at: 12) as UInt32)
        let childrenLength = Int(data.number(at: 16) as UInt32)
        guard entries > 0, entries <= data.count / Self.permissionSize,
            data.count == Self.headerSize + Self.permissionSize * entries + valueLength + childrenLength + Self.slack
        else { return nil }
        permissions = []
        permissions.reserveCapacity(entries)
        for entry in 0..<entries {
            guard let permission = Self.permission(data, at: Self.headerSize + Self.permissionSize * entry) else {
                return nil
            }
            permissions.append(permission)
        }
        let start = Self.headerSize + Self.permissionSize * entries
        value = UnsafeRawBufferPointer(rebasing: data[start..<start + valueLength])
        children = UnsafeRawBufferPointer(rebasing: data[start + valueLength..<data.count - Self.slack])
        if let last = children.last, last != 0 { return nil }
    }

    private static func permission(_ data: UnsafeRawBufferPointer, at offset: Int) -> Permission? {
        guard let domain = UInt16(exactly: data.number(at: offset) as UInt32) else { return nil }
        let bits: UInt32 = data.number(at: offset + 4)
        guard bits & ~(Bit.read | Bit.write | Bit.stale) == 0 else { return nil }
        var access: Access = []
        if bits & Bit.read != 0 { access.insert(.read) }
        if bits & Bit.write != 0 { access.insert(.write) }
        return Permission(access, DomainID(domain), isStale: bits & Bit.stale != 0)
    }

    /// The size of a node's record in bytes.
    static func size(of node: NodeRecord) -> Int {
        headerSize + permissionSize * node.permissions.count + node.value.count + node.children.count + slack
    }

    /// Writes a node's record to a place of that size.
    static func write(_ node: NodeRecord, to place: UnsafeMutableRawBufferPointer) {
        place.put(number: node.generation, at: 0)
        place.put(number: UInt32(truncatingIfNeeded: node.permissions.count), at: 8)
        place.put(number: UInt32(truncatingIfNeeded: node.value.count), at: 12)
        place.put(number: UInt32(truncatingIfNeeded: node.children.count), at: 16)
        var end = headerSize
        for permission in node.permissions {
            var bits: UInt32 = permission.isStale ? Bit.stale : 0
            if permission.access.contains(.read) { bits |= Bit.read }
            if permission.access.contains(.write) { bits |= Bit.write }
            place.put(number: UInt32(permission.domain.rawValue), at: end)
            place.put(number: bits, at: end + 4)
            end += permissionSize
        }
        end = place.put(node.value, at: end)
        end = node.children.withUnsafeBytes { place.put($0, at: end) }
        place.put(number: UInt32(0), at: end)
    }

    /// A node's record.
    static func bytes(of node: NodeRecord) -> [UInt8] {
        let size = size(of: node)
        return [UInt8](unsafeUninitializedCapacity: size) { place, filled in
            write(node, to: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(place)[..<size]))
            filled = size
        }
    }

    /// The names of the children in order.
    var childNames: [UnsafeRawBufferPointer] {
        children.split(separator: 0, omittingEmptySubsequences: false).dropLast()
            .map { UnsafeRawBufferPointer(rebasing: $0) }
    }
}

extension UnsafeRawBufferPointer {
    /// A little-endian number. It must lie inside the bytes.
    @inlinable
    package func number<Number: FixedWidthInteger & BitwiseCopyable>(at offset: Int) -> Number {
        Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
    }
}

extension [UInt8] {
    /// A little-endian number. It must lie inside the bytes.
    @inlinable
    package func number<Number: FixedWidthInteger & BitwiseCopyable>(at offset: Int) -> Number {
        withUnsafeBytes { $0.number(at: offset) }
    }
}
