// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import XenDomains
    import XenStorePlugin
    import XenStoreWire

    /// All rings, and the events for them. A table leads from an event to its ring, so an idle ring costs nothing.
    final class RingServer: ReadinessHandler {
        let host: any PluginHost
        let channels: EventChannels
        let log: PluginLog
        /// A buffer for the requests of any ring, so that an idle ring needs none.
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: Int(RingPage.capacity), alignment: 16)

        /// Nil if the file cannot be used.
        let record: IndexRecord?

        let loop: any EventLoop
        let roles: HostRoles
        private let domains: XenDomains
        private let mapper: any PageMapper
        private let afterwards: Wakeup
        private let domainExceptions: UInt32
        /// The rings by the daemon's port. Xen hands out the lowest free port, so the table is dense.
        private var ringsByPort: [Ring?] = []
        private var rings: [DomainID: Ring] = [:]
        /// The rings to serve without an event.
        private var awoken: [Ring] = []

        /// The largest number of events in one turn, and of rings that are served without an event. The rest waits for
        /// the next turn, so that a storm of events does not keep other clients waiting.
        private static let eventsPerTurn = 128

        init(
            _ settings: RingSettings, _ domains: XenDomains, on loop: any EventLoop, host: any PluginHost,
            log: PluginLog
        ) throws(SystemError) {
            self.loop = loop
            self.domains = domains
            self.host = host
            self.log = log
            channels = try EventChannels()
            mapper = settings.mapsForeign ? try ForeignMapper() : try GrantMapper()
            afterwards = try Wakeup()
            guard let port = channels.bindDomainExceptions() else {
                throw SystemError(
                    errno, doing: "bind the interrupt for ended domains (VIRQ_DOM_EXC)",
                    advice: "does another xenstored run?"
                )
            }
            domainExceptions = port
            // Only now libxenmanage lists the domains.
            roles = HostRoles(settings, among: domains.list())
            record = Self.openRecord(settings.indexFile, log)
            try loop.add(channels.descriptor, for: .readable, self)
            try loop.add(afterwards.descriptor, for: .readable, self)
        }

        deinit { buffer.deallocate() }

        private static func openRecord(_ path: String, _ log: PluginLog) -> IndexRecord? {
            do throws(SystemError) {
                return try IndexRecord(path)
            } catch {
                log.warning(
                    """
                    can't \(error.doing): \(String(cString: strerror(error.code))); rings are served all the same, but \
                    if the daemon is killed in the middle of an answer, the next one may give it once more
                    """)
                return nil
            }
        }

        func stop() {
            loop.remove(channels.descriptor)
            loop.remove(afterwards.descriptor)
            for (domain, ring) in rings {
                ring.endConnection()
                release(domain)
            }
        }

        // MARK: Domains

        /// Serves the kernel of the daemon's own domain.
        func attach(_ control: ControlRing) throws(SystemError) {
            let peer = peer(roles.own)
            let ring = Ring(peer, page: control.page, of: self)
            do throws(WireError) {
                try bind(ring, control.port)
            } catch {
                throw SystemError(
                    errno,
                    doing: "bind the event channel of domain \(roles.own.rawValue)'s kernel, its port \(control.port)",
                    advice: "if the daemon runs in another domain, set 'master-domid'")
            }
            rings[roles.own] = ring
            let wire = ring.resume(.all)
            ring.connected(host.connect(ring, as: peer, at: wire.indexes))
        }

        func introduce(_ domain: DomainID, gfn: UInt64, port: UInt32, _ features: Feature) throws(WireError)
            -> DomainWire
        {
            // Xen itself may have made the channel, for a domain that is older than any toolstack. Before Xen 4.21 the
            // page may also have garbage there.
            let ring = try map(domain, gfn: gfn) { ($0.readyPort.map { [$0] } ?? []) + [port] }
            return ring.begin(features)
        }

        /// Serves a domain that is older than the daemon.
        func adopt(_ domain: DomainID, _ features: Feature) throws(WireError) -> DomainWire {
            let ring = try map(domain, gfn: 0) { $0.readyPort.map { [$0] } ?? [] }
            return ring.isAwaiting ? ring.begin(features) : ring.resume(features)
        }

        private func peer(_ domain: DomainID) -> Peer {
            Peer(
                domain: domain, isPrivileged: roles.isPrivileged(domain, domains), outlivesDaemon: true,
                transport: "ring")
        }

        /// Serves a domain whose ring another daemon has served before.
        func resume(_ domain: DomainID, gfn: UInt64, port: UInt32, _ features: Feature) throws(WireError)
            -> DomainWire
        {
            // Not Xen's own port: the domain may have overwritten it in the page by now.
            try map(domain, gfn: gfn) { _ in [port] }.resume(features)
        }

        /// Maps a domain's page and binds its event channel: the first of the ports that can be bound.
        private func map(_ domain: DomainID, gfn: UInt64, ports: (Ring) -> [UInt32]) throws(WireError) -> Ring {
            guard let page = mapper.map(domain, gfn: gfn) else {
                tell(of: errno, "domain \(domain.rawValue): its ring cannot be mapped")
                throw .EINVAL
            }
            let ring = Ring(peer(domain), page: page, of: self)
            guard ports(ring).contains(where: { isBound(ring, $0) }) else {
                mapper.unmap(page)
                throw .EINVAL
            }
            rings[domain] = ring
            return ring
        }

        func reintroduce(_ domain: DomainID, gfn: UInt64, port: UInt32, _ features: Feature) throws(WireError)
            -> DomainWire
        {
            guard let ring = rings[domain] else {
                return try introduce(domain, gfn: gfn, port: port, features)
            }
            // Xen has made the channel of the own kernel, so the port that the toolstack names does not count.
            if domain != roles.own { try rebind(ring, port) }
            return ring.begin(features)
        }

        /// Binds the ring to another port. A channel has only one user, so the old port is unbound first. If the new
        /// port is refused, the old one is bound again.
        private func rebind(_ ring: Ring, _ port: UInt32) throws(WireError) {
            let old = ring.remotePort
            unbind(ring)
            do throws(WireError) {
                // Not Xen's own port: the domain may have overwritten it in the page by now.
                try bind(ring, port)
            } catch {
                if let old { try? bind(ring, old) }
                throw error
            }
        }

        func release(_ domain: DomainID) {
            guard let ring = rings.removeValue(forKey: domain) else { return }
            unbind(ring)
            guard let page = ring.end() else { return }
            if domain == roles.own { ControlRing.unmap(page) } else { mapper.unmap(page) }
        }

        private func isBound(_ ring: Ring, _ remote: UInt32) -> Bool {
            do throws(WireError) {
                try bind(ring, remote)
                return true
            } catch {
                return false
            }
        }

        private func bind(_ ring: Ring, _ remote: UInt32) throws(WireError) {
            guard let port = channels.bind(ring.peer.domain, remote) else {
                tell(of: errno, "domain \(ring.peer.domain.rawValue): its port \(remote) cannot be bound")
                throw .EINVAL
            }
            log.debug("domain \(ring.peer.domain.rawValue): its ring is served, through its port \(remote)")
            let index = Int(port)
            if index >= ringsByPort.count {
                ringsByPort.append(contentsOf: repeatElement(nil, count: index + 1 - ringsByPort.count))
            }
            ringsByPort[index] = ring
            ring.port = port
            ring.remotePort = remote
        }

        /// A toolstack's mistake is its own matter. What the daemon or the host lacks is for the operator.
        private func tell(of code: Int32, _ text: String) {
            let text = "\(text): \(String(cString: strerror(code)))"
            switch code {
            case EMFILE, ENFILE, ENOMEM, ENOSPC: log.error(text)
            default: log.debug(text)
            }
        }

        private func unbind(_ ring: Ring) {
            guard let port = ring.port else { return }
            ring.port = nil
            ringsByPort[Int(port)] = nil
            channels.unbind(port)
        }

        // MARK: Events

        func ready(_ descriptor: Int32, for readiness: Readiness) {
            if descriptor == afterwards.descriptor { return serveAwoken() }
            if readiness == .hungUp {
                log.error("/dev/xen/evtchn is broken: no domain can be served any more")
                return loop.remove(descriptor)
            }
            for _ in 0..<Self.eventsPerTurn {
                guard let port = channels.nextPending() else { return }
                serve(port)
                // Unmask only now, so that all events until here count as one.
                channels.unmask(port)
            }
        }

        private func serve(_ port: UInt32) {
            if port == domainExceptions { return host.domainsChanged() }
            let index = Int(port)
            if index < ringsByPort.count { ringsByPort[index]?.serve() }
        }

        /// Has the server serve the ring as soon as the kernel has finished its current work.
        func awake(_ ring: Ring) {
            if ring.isAwoken { return }
            ring.isAwoken = true
            if awoken.isEmpty { afterwards.signal() }
            awoken.append(ring)
        }

        private func serveAwoken() {
            let rings = awoken.prefix(Self.eventsPerTurn)
            awoken.removeFirst(rings.count)
            if awoken.isEmpty { afterwards.clear() }
            for ring in rings {
                ring.isAwoken = false
                ring.serve()
            }
        }
    }
#endif
