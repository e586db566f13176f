// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// The service manager's protocol: a datagram to the socket that `$NOTIFY_SOCKET` names.
enum ServiceManager {
    /// Sends a state such as `READY=1`. Does nothing if no service manager has started the daemon.
    static func tell(_ state: String) throws(SystemError) {
        guard let name = getenv("NOTIFY_SOCKET"), name[0] != 0 else { return }
        try send(state, to: String(cString: name))
    }

    /// Sends a state to a socket. A name that begins with `@` is abstract: it has no file.
    static func send(_ state: String, to name: String) throws(SystemError) {
        guard let address = UnixSocketName(name) else {
            throw SystemError(ENAMETOOLONG, doing: "notify the service manager at '\(name)'")
        }
        let descriptor = socket(AF_UNIX, linux_sock_datagram | linux_sock_cloexec, 0)
        guard descriptor >= 0 else { throw SystemError(errno, doing: "create a socket") }
        defer { close(descriptor) }
        let message = Array(state.utf8)
        let sent = address.with { sendto(descriptor, message, message.count, linux_msg_nosignal, $0, $1) }
        guard sent == message.count else {
            throw SystemError(errno, doing: "notify the service manager at '\(name)'")
        }
    }
}

/// The address of a listening socket: a path, or an abstract name, which begins with `@` and has no file.
struct UnixSocketName {
    private var address = sockaddr_un()
    private let length: socklen_t

    /// Nil if the name is empty or too long.
    init?(_ name: String) {
        var bytes = Array(name.utf8)
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard !bytes.isEmpty, bytes.count <= room else { return nil }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        length = socklen_t(MemoryLayout<sockaddr_un>.size - room + bytes.count)
    }

    func with<Value>(_ body: (UnsafePointer<sockaddr>?, socklen_t) -> Value) -> Value {
        withUnsafeBytes(of: address) { body($0.assumingMemoryBound(to: sockaddr.self).baseAddress, length) }
    }
}
