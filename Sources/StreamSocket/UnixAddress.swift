// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// The address of a unix socket. Its path is short enough.
struct UnixAddress {
    let path: String
    private var address = sockaddr_un()

    /// The largest number of bytes in a path. One more byte is the NUL at its end.
    static let pathMaxBytes = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    init(_ path: String) throws(SystemError) {
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count <= Self.pathMaxBytes, !bytes.contains(0) else {
            throw SystemError(
                ENAMETOOLONG, doing: "listen on '\(path)'",
                advice: "the path has \(bytes.count) bytes; the path of a socket has 1 to \(Self.pathMaxBytes)")
        }
        self.path = path
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    }

    func bind(_ descriptor: Int32) -> Int32 { withPointer { Glibc.bind(descriptor, $0, $1) } }
    func connect(_ descriptor: Int32) -> Int32 { withPointer { Glibc.connect(descriptor, $0, $1) } }

    private func withPointer(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        withUnsafeBytes(of: address) { bytes in
            body(bytes.assumingMemoryBound(to: sockaddr.self).baseAddress!, socklen_t(bytes.count))
        }
    }
}
