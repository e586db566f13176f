// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// A file whose content only its owner may know.
struct SecretFile {
    let path: String

    private static let bytesMax = 64 * 1024

    /// Why a file cannot be used, as a message says it after the key. It does not name the path, as that may be the
    /// secret itself in the wrong place.
    struct Problem: Error {
        let text: String
    }

    /// The content, if nobody else can read it or could have written it.
    func read() throws(Problem) -> Secret {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw failure(errno) }
        defer { close(descriptor) }
        try check(descriptor)
        var bytes = [UInt8](repeating: 0, count: Self.bytesMax + 1)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw failure(errno) }
        guard count <= Self.bytesMax else { throw problem("is larger than \(Self.bytesMax) bytes") }
        let isLine = count > 0 && bytes[count - 1] == UInt8(ascii: "\n")
        let content = bytes[..<(isLine ? count - 1 : count)]
        guard !content.isEmpty else { throw problem("is empty") }
        return Secret(Array(content), from: path)
    }

    private func check(_ descriptor: Int32) throws(Problem) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw problem("is not a regular file") }
        guard [0, geteuid()].contains(status.st_uid) else {
            throw problem("belongs to user \(status.st_uid), not to root or the daemon's own user")
        }
        let mode = status.st_mode & 0o777
        guard mode & 0o077 == 0 else {
            let digits = String(mode, radix: 8)
            throw problem("has mode 0\(digits), so that others can use it; give it mode 0600")
        }
    }

    private func failure(_ code: Int32) -> Problem { problem("cannot be read: \(String(cString: strerror(code)))") }

    private func problem(_ text: String) -> Problem { Problem(text: "the file \(text)") }
}
