// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import XenStoreKernel
    import XenStoreWire

    /// All rings and the events that come for them. What is idle costs nothing: an event leads to its
    /// ring by a table.
    final class RingServer: ReadinessHandler {
        let kernel: Kernel
        let channels: EventChannels
        let log: PluginLog
        /// Every ring's requests are copied here, so that idle ones hold nothing.
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: Int(RingPage.capacity), alignment: 16)

        /// Nil if its file cannot be used.
        let record: IndexRecord?

        let loop: any EventLoop
        private let mapper: any PageMapper
        private let afterwards: Wakeup
        private let domainExceptions: UInt32
        /// By the number of the daemon's port: Xen hands out the lowest free one, so the table is dense.
        private var ringsByPort: [Ring?] = []
        private var rings: [DomainID: Ring] = [:]
        /// What is to be looked at without an event.
        private var awoken: [Ring] = []

        /// More events than this, and more rings that are to be looked at without one, are left for the next turn,
        /// so that a storm of them doesn't keep other clients waiting.
        private static let eventsPerTurn = 128

        init(_ settings: RingSettings, on loop: any EventLoop, kernel: Kernel, log: PluginLog) throws(SystemError) {
            self.loop = loop
            self.kernel = kernel
            self.log = log
            channels = try EventChannels()
            mapper = settings.mapsForeign ? try ForeignMapper() : try GrantMapper()
            afterwards = try Wakeup()
            guard let port = channels.bindDomainExceptions() else {
                throw SystemError(
                    errno, doing: "be told of the ends of domains (VIRQ_DOM_EXC)", advice: "does another xenstored run?"
                )
            }
            domainExceptions = port
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
                ring.endSession()
                release(domain)
            }
        }

        // MARK: Domains

        /// Serves dom0's own kernel.
        func attach(_ control: ControlRing) throws(SystemError) {
            let peer = Peer(domain: .control, isPrivileged: true, outlivesDaemon: true, transport: "ring")
            let ring = Ring(peer, page: control.page, of: self)
            do throws(WireError) {
                try bind(ring, control.port)
            } catch {
                throw SystemError(errno, doing: "bind the event channel of dom0's kernel, its port \(control.port)")
            }
            rings[.control] = ring
            let wire = ring.resume(.all)
            ring.connected(kernel.connect(ring, as: peer, at: wire.indexes))
        }

        func introduce(_ domain: DomainID, frame: UInt64, port: UInt32, _ features: Feature) throws(WireError)
            -> DomainWire
        {
            // Xen itself may have made the channel, for a domain that was there before any toolstack.
            try map(domain, frame: frame) { $0.readyPort ?? port }.begin(features)
        }

        /// Serves a domain whose ring another daemon has served before.
        func resume(_ domain: DomainID, frame: UInt64, port: UInt32, _ features: Feature) throws(WireError)
            -> DomainWire
        {
            // By now the domain may have written anything where Xen's own port stood.
            try map(domain, frame: frame) { _ in port }.resume(features)
        }

        /// Maps a domain's page and binds its event channel.
        private func map(_ domain: DomainID, frame: UInt64, port: (Ring) -> UInt32) throws(WireError) -> Ring {
            guard let page = mapper.map(domain, frame: frame) else {
                let failure = String(cString: strerror(errno))
                log.debug("domain \(domain.rawValue): its ring cannot be mapped: \(failure)")
                throw .EINVAL
            }
            let peer = Peer(domain: domain, isPrivileged: false, outlivesDaemon: true, transport: "ring")
            let ring = Ring(peer, page: page, of: self)
            do throws(WireError) {
                try bind(ring, port(ring))
            } catch {
                mapper.unmap(page)
                throw error
            }
            rings[domain] = ring
            return ring
        }

        func reintroduce(_ domain: DomainID, frame: UInt64, port: UInt32, _ features: Feature) throws(WireError)
            -> DomainWire
        {
            guard let ring = rings[domain] else {
                return try introduce(domain, frame: frame, port: port, features)
            }
            // The channel of dom0's kernel is Xen's, whatever the toolstack says.
            if domain != .control { try rebind(ring, port) }
            return ring.begin(features)
        }

        /// A channel has room for one: the old one goes first, and comes back if the new one is refused.
        private func rebind(_ ring: Ring, _ port: UInt32) throws(WireError) {
            let old = ring.remotePort
            unbind(ring)
            do throws(WireError) {
                // By now the domain may have written anything where Xen's own port stood.
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
            if domain == .control { ControlRing.unmap(page) } else { mapper.unmap(page) }
        }

        private func bind(_ ring: Ring, _ remote: UInt32) throws(WireError) {
            guard let port = channels.bind(ring.peer.domain, remote) else {
                let failure = String(cString: strerror(errno))
                log.debug("domain \(ring.peer.domain.rawValue): its port \(remote) cannot be bound: \(failure)")
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
                // Not before: events that come meanwhile are one.
                channels.unmask(port)
            }
        }

        private func serve(_ port: UInt32) {
            if port == domainExceptions { return kernel.domainsChanged() }
            let index = Int(port)
            if index < ringsByPort.count { ringsByPort[index]?.serve() }
        }

        /// Has the ring looked at as soon as the kernel is done with what it is doing.
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
