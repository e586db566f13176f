// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import XenDomains
    import XenStorePlugin
    import XenStoreWire

    /// The rings that dom0's kernel and the guests' kernels share with the daemon.
    public final class EventChannelRing: DomainTransport {
        public static let name = "event-channel-ring"
        public static let summary = "The rings of dom0's kernel and of guests, on a Xen host."
        public static let keys = RingSettings.keys

        public var hypervisor: any Hypervisor { domains }
        public var ownDomain: DomainID { server?.roles.own ?? .control }

        private let settings: RingSettings
        private let log: PluginLog
        private let domains: XenDomains
        private var server: RingServer?

        public init(_ configuration: ConfigurationBlock) throws(ConfigurationError) {
            settings = try RingSettings(configuration)
            log = configuration.log
            domains = XenDomains(glueFolder: settings.glueFolder)
        }

        public func start(on loop: any EventLoop, host: any PluginHost) throws(SystemError) {
            try domains.open()
            let control = try ControlRing(settings)
            let server = try RingServer(settings, domains, on: loop, host: host, log: log)
            self.server = server
            host.serveDomains(by: self)
            try server.attach(control)
            let roles = server.roles
            log.info(
                "serving the kernel of domain \(roles.own.rawValue)"
                    + (roles.own == roles.privileged ? "" : "; domain \(roles.privileged.rawValue) has all rights")
                    + "; \(domains.library) knows the domains")
        }

        public func stop() {
            server?.stop()
            server = nil
            domains.close()
        }

        public func introduce(
            _ domain: DomainID, gfn: UInt64, port: UInt32, features: Feature
        ) throws(WireError) -> DomainWire {
            guard let server else { throw .EINVAL }
            return try server.introduce(domain, gfn: gfn, port: port, features)
        }

        public func reintroduce(
            _ domain: DomainID, gfn: UInt64, port: UInt32, features: Feature
        ) throws(WireError) -> DomainWire {
            guard let server else { throw .EINVAL }
            return try server.reintroduce(domain, gfn: gfn, port: port, features)
        }

        public func resume(
            _ domain: DomainID, gfn: UInt64, port: UInt32, features: Feature
        ) throws(WireError) -> DomainWire {
            guard let server else { throw .EINVAL }
            return try server.resume(domain, gfn: gfn, port: port, features)
        }

        public func mayAdopt(_ domain: DomainID) -> Bool {
            settings.introducesAll || domain == server?.roles.privileged
        }

        public func adopt(_ domain: DomainID, features: Feature) throws(WireError) -> DomainWire {
            guard let server else { throw .EINVAL }
            return try server.adopt(domain, features)
        }

        public func release(_ domain: DomainID) { server?.release(domain) }
    }
#endif
