// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// A socket that clients can connect to, and its file.
struct ListeningSocket {
    let descriptor: Int32
    let file: SocketFile

    /// When this returns, clients can connect.
    init(_ settings: SocketSettings) throws(SystemError) {
        let descriptor = socket(AF_UNIX, linux_sock_stream | linux_sock_cloexec | linux_sock_nonblock, 0)
        guard descriptor >= 0 else { throw SystemError(errno, doing: "create a socket") }
        do throws(SystemError) {
            file = try SocketFile(binding: descriptor, to: settings)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        guard listen(descriptor, settings.backlog) == 0 else {
            let failure = errno
            close()
            throw SystemError(failure, doing: "listen on '\(settings.path)'")
        }
    }

    /// Stops listening. Removes the file, unless another file has taken its place.
    func close() {
        file.remove()
        Glibc.close(descriptor)
    }
}
