// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// The other end of a connection, in the words of the log.
struct SocketClient: CustomStringConvertible {
    let description: String

    init(_ descriptor: Int32) {
        description = Self.process(descriptor) ?? Self.address(descriptor)
    }

    /// The client of a unix socket.
    private static func process(_ descriptor: Int32) -> String? {
        var client = linux_client()
        guard linux_get_client(descriptor, &client) == 0, client.user != .max else { return nil }
        return "process \(client.process) of user \(client.user)"
    }

    /// Any other client: its internet address, or the family of its address.
    private static func address(_ descriptor: Int32) -> String {
        var address = sockaddr_storage()
        var host = [CChar](repeating: 0, count: 64)
        var port = [CChar](repeating: 0, count: 8)
        var length = socklen_t(MemoryLayout.size(ofValue: address))
        return withUnsafeMutableBytes(of: &address) { bytes in
            guard let start = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress,
                getpeername(descriptor, start, &length) == 0
            else { return "a client that is already gone" }
            let (hostSize, portSize) = (socklen_t(host.count), socklen_t(port.count))
            let isNumeric = NI_NUMERICHOST | NI_NUMERICSERV
            guard getnameinfo(start, length, &host, hostSize, &port, portSize, isNumeric) == 0 else {
                return "a client of address family \(start.pointee.sa_family)"
            }
            return "\(text(host)), port \(text(port))"
        }
    }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
