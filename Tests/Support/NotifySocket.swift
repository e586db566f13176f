// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// The service manager's end of the readiness protocol.
public final class NotifySocket {
    /// The value of `NOTIFY_SOCKET`.
    public let name: String
    public let descriptor: Int32

    public init() throws {
        let descriptor = socket(AF_UNIX, linux_sock_datagram | linux_sock_nonblock | linux_sock_cloexec, 0)
        // A socket that is bound without a path gets an abstract name from the system.
        var family = sa_family_t(AF_UNIX)
        let bound = withUnsafePointer(to: &family) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sa_family_t>.size))
            }
        }
        var address = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let named = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &length)
            }
        }
        let bytes = withUnsafeBytes(of: address.sun_path) { Array($0[1..<max(1, Int(length) - 2)]) }
        name = "@" + String(decoding: bytes, as: UTF8.self)
        self.descriptor = descriptor
        guard bound == 0, named == 0 else { throw Trouble.system("name a socket") }
    }

    deinit { close(descriptor) }

    /// The received message; nil if there is none.
    public func received() -> String? {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
    }
}
