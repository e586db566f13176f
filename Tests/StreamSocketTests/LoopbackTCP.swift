// SPDX-License-Identifier: Apache-2.0
import Glibc
import StreamSocket
import XenStorePlugin

/// A transport over TCP on this host: a client sends a token first, and is dom0 then. The guide for transports shows it.
final class LoopbackTCP: Transport {
    static let name = "loopback-tcp"
    static let summary = "TCP on this host, for clients that have a token."
    static let keys = [
        ConfigurationKey("port", .number(0...65535), default: .number(7700), "The port; 0 means any."),
        ConfigurationKey("token", .secret, default: nil, "What a client must send first.", isRequired: true),
        ConfigurationKey(
            "patience", .duration(.milliseconds(1) ... .seconds(60)), default: .duration(.seconds(10)),
            "How long a client may take to send the token."),
    ]

    private let configuration: ConfigurationBlock
    private let token: Secret
    private(set) var server: StreamServer?
    /// The port, which the system may have chosen.
    private(set) var port: UInt16 = 0

    init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        guard let token = configuration.secret("token"), !token.bytes.isEmpty else {
            throw configuration.error("is empty", key: "token")
        }
        (self.configuration, self.token) = (configuration, token)
    }

    func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError) {
        var address = Self.address(port: configuration.number("port") ?? 0)
        let descriptor = try StreamServer.listen(at: &address, AF_INET)
        port = UInt16(bigEndian: address.sin_port)
        let patience = (configuration.duration("patience") ?? .seconds(10)) / .milliseconds(1)
        let bounds = StreamServer.Bounds(connections: 100, patience: UInt64(patience))
        let peer = Peer(domain: .control, isPrivileged: true, transport: configuration.name)
        server = try StreamServer(descriptor, bounds, on: loop, host: host, log: configuration.log) { [token] arrival in
            let size = token.bytes.count
            guard arrival.bytes.count >= size else { return .wait }
            guard token.matches(arrival.bytes.prefix(size)) else { return .refusal("its token is wrong") }
            return .peer(peer, taken: size)
        }
    }

    func stop() { server?.stop() }

    /// An address of this host.
    static func address(port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }
}
