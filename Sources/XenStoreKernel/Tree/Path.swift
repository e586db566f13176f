// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A valid absolute path, or a special name, with the hash of each of its ancestors.
///
/// It borrows. Its bytes lie in the request or in the scanner, and its hashes in the scanner. They are good until the
/// scanner reads the next path; a debug build stops if somebody uses them after that.
struct Path {
    /// Absolute, without a NUL.
    let bytes: UnsafeRawBufferPointer
    /// The number of components; 0 for `/` and for special names.
    let depth: Int
    /// It starts with `@` and is not in the tree.
    let isSpecial: Bool
    /// `hashes[d]` is the hash of the prefix of `d` components.
    fileprivate let hashes: UnsafeMutablePointer<UInt64>
    /// `ends[d]` is the length of the prefix of `d` components; `ends[0]` is 0.
    fileprivate let ends: UnsafeMutablePointer<UInt16>
    /// The serial of this path among those of its scanner.
    fileprivate let serial: UInt64

    @inline(__always) var hash: UInt64 { hash(at: depth) }

    /// The ancestor that has `depth` components, or the path itself.
    @inline(__always)
    func prefix(_ depth: Int) -> Path {
        assertIsGood()
        let length = depth == 0 ? 1 : Int(ends[depth])
        return Path(
            bytes: UnsafeRawBufferPointer(rebasing: bytes[..<length]), depth: depth,
            isSpecial: false, hashes: hashes, ends: ends, serial: serial)
    }

    var parent: Path { prefix(depth - 1) }

    /// The last component.
    var name: UnsafeRawBufferPointer {
        if isSpecial || depth == 0 { return bytes }
        return UnsafeRawBufferPointer(rebasing: bytes[(Int(ends[depth - 1]) + 1)...])
    }

    /// The hash of the prefix of `depth` components.
    @inline(__always)
    func hash(at depth: Int) -> UInt64 {
        assertIsGood()
        return hashes[depth]
    }

    @inline(__always)
    private func assertIsGood() { assert(hashes[-1] == serial, "the scanner has read another path since") }
}

/// Reads paths in requests: checks them, completes relative ones, and hashes them.
///
/// It reads the bytes once, and does not copy absolute paths.
final class PathScanner {
    let hashing: PathHash
    /// Before the hashes stands the serial of the last path that was read.
    private let hashes: UnsafeMutablePointer<UInt64>
    private let ends: UnsafeMutablePointer<UInt16>
    /// The class of each byte, so that one load tells it.
    private let classes = PathScanner.makeClasses()
    /// Where a relative path is completed.
    private let absolute: UnsafeMutableRawBufferPointer
    /// The last absolute path that was read. The next path often begins with the same components, so the scanner need
    /// not find their hashes and ends again.
    private let last = UnsafeMutableRawPointer.allocate(byteCount: Limits.absolutePathMax + 8, alignment: 8)
    private var lastCount = 0
    private var lastDepth = 0

    /// A path has fewer components than this.
    private static let depthMax = Limits.absolutePathMax / 2 + 2
    /// `/local/domain/65535/`
    private static let homePrefixMax = 20

    init(hashing: PathHash) {
        self.hashing = hashing
        hashes = .allocate(capacity: PathScanner.depthMax + 1) + 1
        ends = .allocate(capacity: PathScanner.depthMax)
        absolute = .allocate(
            byteCount: Limits.relativePathMax + PathScanner.homePrefixMax, alignment: 8)
        hashes[-1] = 0
        hashes[0] = hashing.root
        ends[0] = 0
    }

    deinit {
        (hashes - 1).deallocate()
        ends.deallocate()
        classes.deallocate()
        absolute.deallocate()
        last.deallocate()
    }

    /// The path in `text` (without its NUL) as `domain` means it, or EINVAL.
    ///
    /// The scanner does not check an absolute path that `isTrusted`. If the caller finds a node at it, the path is
    /// valid, because the node's names are. If the caller finds none, it must call ``check(_:)``.
    ///
    /// `specials` allows a name that starts with `@`. `quota`, if not 0, bounds the path in addition to the protocol's
    /// own limits; a domain's home does not count.
    func scan(
        _ text: UnsafeRawBufferPointer, home domain: DomainID, specials: Bool = false, quota: Int = 0,
        isTrusted: Bool = false
    ) throws(WireError) -> Path {
        hashes[-1] &+= 1
        guard let first = text.first else { throw .EINVAL }
        if first == UInt8(ascii: "/") {
            if text.count > Limits.absolutePathMax { throw .EINVAL }
            if quota > 0, text.count - PathScanner.homeLength(text) > quota { throw .EINVAL }
            if !isTrusted { try check(text) }
            return try split(text)
        }
        if text.count > Limits.relativePathMax || quota > 0 && text.count > quota { throw .EINVAL }
        if first == UInt8(ascii: "@") {
            guard specials else { throw .EINVAL }
            return try scan(special: text)
        }
        var end = PathScanner.writeHome(of: domain, to: absolute)
        absolute[end] = UInt8(ascii: "/")
        end += 1
        UnsafeMutableRawBufferPointer(rebasing: absolute[end...]).copyMemory(from: text)
        let path = UnsafeRawBufferPointer(rebasing: absolute[..<(end + text.count)])
        try check(path)
        return try split(path)
    }

    /// Throws EINVAL if an absolute path holds a byte that no name has.
    func check(_ text: UnsafeRawBufferPointer) throws(WireError) {
        for byte in text where classes[Int(byte)] != PathScanner.allowed && byte != UInt8(ascii: "/") { throw .EINVAL }
    }

    /// An absolute path of any kind. EINVAL if a component is empty: `//`, or a slash at the end.
    private func split(_ text: UnsafeRawBufferPointer) throws(WireError) -> Path {
        let count = text.count
        guard count > 1, let bytes = text.baseAddress else { return path(text, depth: 0) }
        let (hashes, ends) = (hashes, ends)
        let shared = countShared(bytes, count)
        var depth = depthShared(bytes, count, shared)
        var end = depth == 0 ? 0 : Int(ends[depth])
        var hash = depth == 0 ? hashing.root : hashes[depth]
        lastCount = 0
        while end < count {
            let start = end &+ 1
            end = bytes.place(of: UInt8(ascii: "/"), from: start, to: count)
            if end == start { throw .EINVAL }
            hash = hashing.child(bytes + start, end &- start, of: hash)
            depth &+= 1
            hashes[depth] = hash
            ends[depth] = UInt16(truncatingIfNeeded: end)
            // A slash at the end has an empty component after it.
            if end == count &- 1 { throw .EINVAL }
        }
        if shared < count { (last + shared).copyMemory(from: bytes + shared, byteCount: count &- shared) }
        (lastCount, lastDepth) = (count, depth)
        return path(text, depth: depth)
    }

    /// The number of bytes at the start of the text that are the same in the last path.
    @inline(__always)
    private func countShared(_ bytes: UnsafeRawPointer, _ count: Int) -> Int {
        let most = min(count, lastCount)
        if most < 8 { return 0 }
        func difference(at place: Int) -> UInt64 {
            UInt64(
                littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)
                    ^ last.loadUnaligned(fromByteOffset: place, as: UInt64.self))
        }
        var place = 0
        while true {
            let difference = difference(at: place)
            if difference != 0 { return place &+ difference.trailingZeroBitCount &>> 3 }
            if place == most &- 8 { return most }
            // The last word overlaps the one before: a loop over single bytes would end where nobody can predict.
            place = min(place &+ 8, most &- 8)
        }
    }

    /// The number of whole components that the text shares with the last path, if the first `shared` bytes are the
    /// same.
    @inline(__always)
    private func depthShared(_ bytes: UnsafeRawPointer, _ count: Int, _ shared: Int) -> Int {
        // A component takes two bytes at least.
        var depth = min(lastDepth, shared &>> 1)
        while depth > 0 {
            let end = Int(ends[depth])
            let isEnd =
                end == count || end < count && bytes.load(fromByteOffset: end, as: UInt8.self) == UInt8(ascii: "/")
            if end <= shared, isEnd { return depth }
            depth &-= 1
        }
        return 0
    }

    /// A special name: any allowed bytes, slashes included, as long as it reads like a path.
    private func scan(special text: UnsafeRawBufferPointer) throws(WireError) -> Path {
        var previous: UInt8 = 0
        for byte in text {
            guard classes[Int(byte)] == PathScanner.allowed || byte == UInt8(ascii: "/") else { throw .EINVAL }
            if byte == UInt8(ascii: "/"), previous == byte { throw .EINVAL }
            previous = byte
        }
        if previous == UInt8(ascii: "/") { throw .EINVAL }
        // A special name has its hash where other paths have that of the root. `path(_:depth:)` writes the root's again.
        hashes[0] = hashing.child(text, of: hashing.special)
        return Path(bytes: text, depth: 0, isSpecial: true, hashes: hashes, ends: ends, serial: hashes[-1])
    }

    private func path(_ text: UnsafeRawBufferPointer, depth: Int) -> Path {
        hashes[0] = hashing.root
        return Path(bytes: text, depth: depth, isSpecial: false, hashes: hashes, ends: ends, serial: hashes[-1])
    }

    /// The class of the bytes that names have: letters, digits, `-`, `_`, `@`.
    private static let allowed: UInt8 = 1

    private static func makeClasses() -> UnsafeMutablePointer<UInt8> {
        let classes = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
        classes.initialize(repeating: 0, count: 256)
        let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        for byte in (letters + "0123456789-_@").utf8 { classes[Int(byte)] = allowed }
        return classes
    }

    /// Writes `/local/domain/<id>` and returns its length.
    static func writeHome(of domain: DomainID, to buffer: UnsafeMutableRawBufferPointer) -> Int {
        let prefix: StaticString = "/local/domain/"
        let count = prefix.utf8CodeUnitCount
        buffer.copyMemory(from: UnsafeRawBufferPointer(start: prefix.utf8Start, count: count))
        let digits = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
        return count + digits.writeDecimal(UInt64(domain.rawValue))
    }

    /// The length of `/local/domain/<one to five digits>/` if `text` begins with that, else 0.
    static func homeLength(_ text: UnsafeRawBufferPointer) -> Int {
        let prefix: StaticString = "/local/domain/"
        let count = prefix.utf8CodeUnitCount
        guard text.count > count, text.starts(with: prefix) else { return 0 }
        var end = count
        while end < text.count, end < count + 5, text[end] >= 48, text[end] <= 57 { end += 1 }
        return end > count && end < text.count && text[end] == UInt8(ascii: "/") ? end + 1 : 0
    }
}
