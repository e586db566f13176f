// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import StreamSocket
import XenStorePlugin

/// A transport over TCP on this host: a client sends a token first, and is dom0 then.
final class LoopbackTCP: Transport {
    static let name = "loopback-tcp"
    static let summary = "TCP on this host, for clients that have a token."
    static let keys = [
        ConfigurationKey("port", .number(0...65535), default: .number(0), "The port; 0: any."),
        ConfigurationKey("token", .text, default: nil, "What a client has to send first."),
        ConfigurationKey("patience", .number(1...60_000), default: .number(10_000), "Milliseconds for the token."),
    ]

    private let configuration: ConfigurationBlock
    private(set) var server: StreamServer?
    private(set) var port: UInt16 = 0

    init(_ configuration: ConfigurationBlock) { self.configuration = configuration }

    func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError) {
        let descriptor: Int32
        (descriptor, port) = try Self.listen(port: configuration.number("port") ?? 0)
        let token = Array((configuration.text("token") ?? "").utf8)
        let patience = UInt64(configuration.number("patience") ?? 0)
        let peer = Peer(domain: .control, isPrivileged: true, transport: "loopback-tcp")
        server = try StreamServer(
            descriptor, .init(patience: patience), on: loop, host: host, log: configuration.log
        ) { arrival in
            guard token.starts(with: arrival.bytes.prefix(token.count)) else { return .refusal("its token is wrong") }
            return arrival.bytes.count < token.count ? .wait : .peer(peer, taken: token.count)
        }
    }

    func stop() { server?.stop() }

    /// A socket that listens, and its port.
    static func listen(port: Int) throws(SystemError) -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, linux_sock_stream | linux_sock_cloexec | linux_sock_nonblock, 0)
        var address = sockaddr_in(port: UInt16(port))
        guard address.with({ bind(descriptor, $0, $1) }) == 0, Glibc.listen(descriptor, 128) == 0 else {
            defer { close(descriptor) }
            throw SystemError(errno, doing: "listen")
        }
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = address.with { start, _ in getsockname(descriptor, start, &length) }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }
}

extension sockaddr_in {
    /// Of this host.
    init(port: UInt16) {
        self.init()
        sin_family = sa_family_t(AF_INET)
        sin_port = port.bigEndian
        sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    }

    mutating func with(_ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        withUnsafeMutableBytes(of: &self) { bytes in
            guard let start = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress else { return -1 }
            return body(start, socklen_t(bytes.count))
        }
    }
}
