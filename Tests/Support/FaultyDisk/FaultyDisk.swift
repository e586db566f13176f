// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// A disk for a daemon's files. It fails when the test says so, and it knows its content after a power cut. The library
/// in `Tests/FaultyDisk` is preloaded into the daemon; faultydisk.h there describes the file that both share.
public final class FaultyDisk {
    public let folder: TemporaryFolder
    private let place: TemporaryFolder
    private let shared: SharedFile
    private let bell: Int32

    private static let headerSize = 4096

    private enum Word: Int {
        case length = 0
        case calls = 8
        case hits = 160
        case looks = 168
    }

    private enum HalfWord: Int {
        case kinds = 16
        case countdown = 20
        case repeats = 24
        case error = 28
        case delay = 176
    }

    /// - Parameter room: the size of the log in bytes.
    public init(over folder: TemporaryFolder, room: Int = 512 << 20) throws {
        self.folder = folder
        place = try TemporaryFolder.inMemory()
        try SharedFile.create(place.file("disk"), Self.headerSize + room)
        shared = try SharedFile(place.file("disk"), Self.headerSize + room)
        bell = mkfifo(place.file("disk-bell"), 0o600) == 0 ? open(place.file("disk-bell"), O_RDWR | O_CLOEXEC) : -1
        guard bell >= 0 else { throw Trouble.system("make a fifo") }
    }

    deinit { close(bell) }

    /// The environment for the daemon. Each daemon needs a disk of its own.
    public func environment() throws -> [String: String] {
        [
            "FAULTYDISK": place.file("disk"), "FAULTYDISK_DIR": folder.path,
            "LD_PRELOAD": try FaultyDisk.library.get(),
        ]
    }

    public static let library = Result { () throws -> String in
        try Preloaded.library(of: "FaultyDisk", as: "libfaultydisk.so")
    }

    private func word(_ word: Word) -> UnsafeMutablePointer<Atomic<UInt64>> {
        (shared.base + word.rawValue).assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    private func put(_ value: UInt32, _ word: HalfWord) {
        (shared.base + word.rawValue).assumingMemoryBound(to: Atomic<UInt32>.self).pointee
            .store(value, ordering: .sequentiallyConsistent)
    }

    // MARK: Failing

    /// The fault of a call.
    public enum Fault: Sendable {
        case error(Int32)
        /// The call writes half of the bytes. A call that writes no bytes fails.
        case short
        /// The call works, but right before it another program removes a file.
        case removal(of: String)
        /// The call works, but the daemon does nothing else for this many milliseconds.
        case slow(UInt32)

        fileprivate var number: Int32 {
            switch self {
            case .slow: -2
            case .error(let code): code
            case .short: 0
            case .removal: -1
            }
        }
    }

    /// Makes the `call`th of these calls from now on fail, and the calls after it, up to `times` in all.
    public func fail(
        _ call: Int, of kinds: Set<DiskLog.Kind> = Set(DiskLog.Kind.allCases), on name: String = "", times: Int = 1,
        _ fault: Fault
    ) {
        put(0, .countdown)
        put(kinds.reduce(0) { $0 | 1 << $1.rawValue }, .kinds)
        put(UInt32(times), .repeats)
        put(UInt32(bitPattern: fault.number), .error)
        set(name, at: 32)
        if case .removal(let victim) = fault { set(victim, at: 96) }
        if case .slow(let milliseconds) = fault { put(milliseconds, .delay) }
        put(UInt32(call), .countdown)
    }

    public func failNoMore() { put(0, .countdown) }

    private func set(_ name: String, at offset: Int) {
        for (index, byte) in (Array(name.utf8.prefix(63)) + [0]).enumerated() {
            (shared.base + offset + index).storeBytes(of: byte, as: UInt8.self)
        }
    }

    /// The number of calls that have failed.
    public var failures: Int { Int(word(.hits).pointee.load(ordering: .sequentiallyConsistent)) }

    /// How often the daemon has looked at a file of the folder, as with `stat`.
    public var looks: Int { Int(word(.looks).pointee.load(ordering: .sequentiallyConsistent)) }

    /// The number of calls that could have failed.
    public var calls: Int { Int(word(.calls).pointee.load(ordering: .sequentiallyConsistent)) }

    // MARK: The log

    /// The length of the log. All later calls of the daemon come after this position.
    public var position: Int { Int(word(.length).pointee.load(ordering: .sequentiallyConsistent)) }

    public var log: DiskLog { log(from: 0) }

    /// Waits until the log is longer than at the last call. False after the deadline.
    public func awaitEntry(_ deadline: Deadline) throws -> Bool {
        guard try !waitUntilReady([(bell, POLLIN)], deadline).isEmpty else { return false }
        var rings = [UInt8](repeating: 0, count: 4096)
        guard read(bell, &rings, rings.count) > 0 else { throw Trouble.system("read a fifo") }
        return true
    }

    /// The part of the log from this position on.
    public func log(from start: Int) -> DiskLog {
        DiskLog(
            UnsafeRawBufferPointer(start: shared.base + Self.headerSize, count: position), from: start, keeping: self)
    }
}

/// All changes of the files in a folder, in order.
public struct DiskLog {
    public enum Kind: Int, CaseIterable, Sendable {
        case made, written, sized, synced, renamed, unlinked, opened, lost, there
    }

    public struct Entry {
        public let kind: Kind
        /// The number of the file; 0 is the folder.
        public let file: Int
        public let names: [String]
        public let offset: Int
        public let size: Int
        /// The written bytes. The disk owns them.
        public let bytes: UnsafeRawBufferPointer
        /// The position of its end in the log.
        public let end: Int
    }

    public private(set) var entries: [Entry] = []
    private let disk: FaultyDisk

    fileprivate init(_ bytes: UnsafeRawBufferPointer, from start: Int, keeping disk: FaultyDisk) {
        self.disk = disk
        var at = start
        while at < bytes.count {
            func half(_ offset: Int) -> Int { Int(bytes.loadUnaligned(fromByteOffset: at + offset, as: UInt32.self)) }
            let size = Int(bytes.loadUnaligned(fromByteOffset: at + 24, as: UInt64.self))
            guard let kind = Kind(rawValue: half(4)) else { return }
            let hasBytes = kind == .written || kind == .there
            let data = at + 32 + half(12)
            entries.append(
                Entry(
                    kind: kind, file: half(8),
                    names: bytes[at + 32..<data].split(separator: 0).map { String(decoding: $0, as: UTF8.self) },
                    offset: Int(bytes.loadUnaligned(fromByteOffset: at + 16, as: UInt64.self)), size: size,
                    bytes: UnsafeRawBufferPointer(rebasing: bytes[data..<data + (hasBytes ? size : 0)]),
                    end: at + half(0)))
            at += half(0)
        }
    }
}
