// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOCore
import StreamSocket
import XenStorePlugin
import XenStoreWire

/// A read-only view of the store for other hosts, over TLS with certificates on both sides.
///
/// NIO has a thread of its own, and does all work for TLS there. Only bytes go to the daemon's thread, through a
/// ``Mailbox``. All code in this file runs on the daemon's thread.
public final class TLSView: Transport, Reloadable, Surveying, Measurable, ReadinessHandler {
    public static let name = "tls-view"
    public static let summary = "A read-only view of the store for other hosts, over TLS with client certificates."
    public static let keys =
        [
            ConfigurationKey("address", .text, default: .text("127.0.0.1"), "The address on which it listens."),
            ConfigurationKey("port", .number(1...65535), default: .number(7443), "The TCP port on which it listens."),
        ] + Credentials.keys + [
            ConfigurationKey(
                "domain", .number(0...32_751), default: .number(0),
                "The domain whose rights clients have. 0 sees everything. Nobody can change anything."),
            ConfigurationKey("connections", .number(1...100_000), default: .number(100), "Clients at a time."),
            ConfigurationKey(
                "patience", .duration(.milliseconds(10) ... .seconds(600)), default: .duration(.seconds(10)),
                "How long a client may take to show its certificate."),
        ] + ClientLimits.keys

    private var configuration: ConfigurationBlock
    private var loop: (any XenStorePlugin.EventLoop)?
    private var host: (any PluginHost)?
    private var mailbox: Mailbox?
    private var server: Server?
    private var links: [Wire: RemoteLink] = [:]
    private var connected: UInt64 = 0

    public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) { self.configuration = configuration }

    public func survey(_ warn: (ConfigurationError) -> Void) throws(ConfigurationError) {
        _ = try Credentials(configuration)
    }

    public func start(on loop: any XenStorePlugin.EventLoop, host: any PluginHost) throws(SystemError) {
        let credentials: Credentials
        do throws(ConfigurationError) {
            credentials = try Credentials(configuration)
        } catch {
            // The files have changed since the survey.
            throw SystemError(EINVAL, doing: "\(error)")
        }
        let mailbox = try Mailbox()
        try loop.add(mailbox.descriptor, for: .readable, self)
        (self.loop, self.host, self.mailbox) = (loop, host, mailbox)
        server = try Server(settings, credentials.context, mailbox)
    }

    public func stop() {
        server?.stop()
        if let mailbox { loop?.remove(mailbox.descriptor) }
        for link in links.values { link.closed() }
        (links, server, mailbox) = ([:], nil, nil)
    }

    /// Certificates end: SIGHUP reads the files again. Clients that are there stay.
    public func reload(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
        let credentials = try Credentials(configuration)
        for key in ["address", "port"] where configuration.values[key] != self.configuration.values[key] {
            throw configuration.error("can change only with a restart", key: key)
        }
        self.configuration = configuration
        server?.use(credentials.context)
    }

    public var measurements: [Measurement] {
        [
            .total("clients", connected, "Clients with a good certificate."),
            .current("connections", UInt64(links.count), "Open connections."),
        ]
    }

    /// NIO's thread has written letters.
    public func ready(_ descriptor: Int32, for readiness: Readiness) {
        for letter in mailbox?.empty() ?? [] {
            switch letter {
            case .opened(let wire): connect(wire)
            case .received(let bytes, let wire): links[wire]?.received(bytes)
            case .sent(let count, let wire): links[wire]?.sent(count)
            case .closed(let wire): links.removeValue(forKey: wire)?.closed()
            }
        }
    }

    private func connect(_ wire: Wire) {
        guard let host else { return }
        connected += 1
        configuration.log.info("\(wire.client) reads")
        links[wire] = RemoteLink(wire, on: host, as: peer) { [weak self] in self?.links[wire] = nil }
    }

    private var peer: Peer {
        let domain = DomainID(UInt16(configuration.number("domain") ?? 0))
        return Peer(
            domain: domain, isPrivileged: domain == .control, mayWrite: false, transport: configuration.name,
            limits: ClientLimits(configuration))
    }

    private var settings: Server.Settings {
        let patience = configuration.duration("patience") ?? .seconds(10)
        return Server.Settings(
            address: configuration.text("address") ?? "127.0.0.1", port: configuration.number("port") ?? 7443,
            connections: configuration.number("connections") ?? 100,
            patience: .milliseconds(Int64(patience / .milliseconds(1))))
    }
}
