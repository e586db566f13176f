// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

extension StreamServer {
    /// Makes a socket for a server: a stream socket that listens and does not block.
    ///
    /// - Parameters:
    ///   - address: the address of the family, such as `sockaddr_in`. If the system may choose a part of it, such as the
    ///     port 0, the address has the choice afterwards.
    ///   - family: the family, such as `AF_INET`.
    ///   - backlog: the largest number of clients that wait until the server accepts them.
    public static func listen<Address: BitwiseCopyable>(
        at address: inout Address, _ family: Int32, backlog: Int32 = 128
    ) throws(SystemError) -> Int32 {
        let descriptor = socket(family, linux_sock_stream | linux_sock_cloexec | linux_sock_nonblock, 0)
        guard descriptor >= 0 else { throw SystemError(errno, doing: "make a socket") }
        // A port whose last connections are not forgotten yet can be used again.
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        let isListening = withUnsafeMutableBytes(of: &address) { bytes in
            var size = socklen_t(bytes.count)
            guard let start = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress else { return false }
            return bind(descriptor, start, size) == 0 && Glibc.listen(descriptor, backlog) == 0
                && getsockname(descriptor, start, &size) == 0
        }
        if isListening { return descriptor }
        let code = errno
        close(descriptor)
        throw SystemError(code, doing: "listen")
    }
}
