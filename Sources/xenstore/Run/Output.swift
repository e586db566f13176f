// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Standard output, written in large pieces. After a failed write it writes nothing more, and the tool reports the error
/// when it ends.
struct Output {
    private var pending: Bytes = []
    private(set) var errno: Int32 = 0

    /// Above this size, a tool that may show its output early writes it.
    private static let flushSize = 32 * 1024

    mutating func write(_ text: some Sequence<UInt8>) { pending += text }
    mutating func write(_ text: StaticString) {
        pending += UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }
    mutating func write(_ text: String) { pending += text.utf8 }

    /// Forgets everything that is not flushed.
    mutating func discard() { pending.removeAll(keepingCapacity: true) }

    mutating func flushIfLarge() { if pending.count >= Self.flushSize { flush() } }

    mutating func flush() {
        if errno == 0 { errno = Output.write(pending, to: STDOUT_FILENO) }
        discard()
    }

    /// Writes all of `bytes`; returns 0 or an errno.
    static func write(_ bytes: Bytes, to descriptor: Int32) -> Int32 {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { bytes in
                Glibc.write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
            }
            if count >= 0 {
                written += count
            } else if Glibc.errno != EINTR {
                return Glibc.errno
            }
        }
        return 0
    }
}

/// Standard error, a message at a time.
struct Messages {
    /// The program's name, without its folder.
    var program: Bytes

    /// `program: text`
    func warn(_ text: Bytes) {
        _ = Output.write(program + ": ".utf8 + text + "\n".utf8, to: STDERR_FILENO)
    }

    /// `program: text: the system's words for errno`
    func warn(_ text: Bytes, errno: Int32) {
        warn(text + ": ".utf8 + Bytes(cString: strerror(errno)))
    }

    /// `text` alone.
    func say(_ text: Bytes) { _ = Output.write(text, to: STDERR_FILENO) }
}
