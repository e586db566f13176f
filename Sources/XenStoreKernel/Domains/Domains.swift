// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The life of domains: they come, shut down, are resumed and go.
final class Domains {
    private let connections: Connections
    private let accounts: Accounts
    private let schedule: Schedule
    private let journal: Journal
    private let notes: Notes
    private let specials: SpecialEvents
    private let estates: Estates
    private let log: (LogLevel, String) -> Void
    private var table = DomainTable()
    private var queue = DeadInQueue()
    /// Whether the hypervisor may have more to tell than it has.
    private var mustAskAgain = false
    /// Whether there is more to learn or to do about domains, for which the last turn had no room.
    private(set) var mustGoOn = false
    /// The transport that reaches domains. Nil on a machine without Xen.
    private var transport: (any DomainTransport)?
    /// The records of an earlier daemon, until somebody takes them.
    private var left: Handover?

    init(
        connections: Connections, accounts: Accounts, schedule: Schedule, journal: Journal, notes: Notes,
        specials: SpecialEvents, estates: Estates, log: @escaping (LogLevel, String) -> Void
    ) {
        self.connections = connections
        self.accounts = accounts
        self.schedule = schedule
        self.journal = journal
        self.notes = notes
        self.specials = specials
        self.estates = estates
        self.log = log
    }

    // MARK: Looking

    /// The kernel's data about a domain. Only ``refresh(_:)`` asks the hypervisor.
    func known(_ id: DomainID) -> Domain? { table[id] }

    func isIntroduced(_ id: DomainID) -> Bool { table[id]?.isIntroduced == true }

    /// The daemon's own domain, which is always introduced; dom0 on nearly every host.
    var own: DomainID { table.own }

    /// The number of domains that the kernel knows, without dom0.
    var guestCount: Int { table.guestCount }

    /// Whether domains can be introduced.
    var canIntroduce: Bool { transport != nil }

    /// Whether permissions may name the domain without being stale at once. Without a hypervisor, every number may be a
    /// domain's, so that permissions can be set on a machine without Xen.
    func mayExist(_ id: DomainID) -> Bool { transport == nil || table[id] != nil }

    // MARK: Asking the hypervisor

    /// Asks the hypervisor about a domain that a request names: a new domain gets an entry, and a dead one is
    /// destroyed. For introduced domains VIRQ_DOM_EXC does this.
    ///
    /// This changes the store. So it runs before the request is handled, and before an undoable snapshot is opened:
    /// undoing must not bring a dead domain's nodes back (XSA-322).
    func refresh(_ id: DomainID) {
        if queue.contains(id) { destroy(id) }
        if !isIntroduced(id) { askHypervisor(about: id) }
    }

    private func askHypervisor(about id: DomainID) {
        guard let hypervisor = transport?.hypervisor, id != own else { return }
        schedule.spend(Work.question)
        let state = hypervisor.state(of: id).flatMap { $0.isDead ? nil : $0 }
        if let known = table[id], known.uniqueID != state?.uniqueID { destroy(id) }
        if let state, table[id] == nil { table[id] = Domain(uniqueID: state.uniqueID) }
    }

    /// The domains that a SET_PERMS names, about which the kernel may have to ask the hypervisor. A guest must not make
    /// it ask about more domains than a permission list may name.
    func named(in payload: UnsafeRawBufferPointer, by session: Session) -> [DomainID] {
        guard transport != nil, let (_, entries) = payload.splitAtNul() else { return [] }
        let count = entries.reduce(into: 0) { $0 += $1 == 0 ? 1 : 0 }
        if accounts.refusal(of: .nodePermissions, amount: count, session) != nil { return [] }
        var named: [DomainID] = []
        var rest = entries
        while let (text, next) = rest.splitAtNul() {
            if let entry = Permission(wire: text), entry.domain != .any { named.append(entry.domain) }
            rest = next
        }
        return named
    }

    /// Some domain has changed its state (VIRQ_DOM_EXC). Looks at all domains that the kernel knows.
    func refreshAll() {
        guard let hypervisor = transport?.hypervisor else { return }
        let survey = hypervisor.survey()
        if case .changed(let some)? = survey {
            mustAskAgain = some.count >= DomainSurvey.changesMax
        } else {
            mustAskAgain = false
        }
        takeIn(survey ?? .changed(table.guests.map { ($0, hypervisor.state(of: $0)) }))
    }

    private func takeIn(_ survey: DomainSurvey) {
        var shutDown = false
        let changed =
            switch survey {
            case .changed(let changed): changed
            case .all(let all): news(in: all)
            }
        var room = Work.perTurnOfGuests
        // By number, whatever order the hypervisor has, so that the events of one turn come in the same order.
        for (id, state) in changed.sorted(by: { $0.domain < $1.domain }) where id != own {
            shutDown = takeIn(state, of: id, &room) || shutDown
        }
        if shutDown { specials.announce(.releaseDomain, form: .plain) }
        mustGoOn = mustAskAgain || !queue.isEmpty
    }

    /// The domains in the list with a change that the kernel does not know yet, and the known ones that the list lacks.
    private func news(in all: [(domain: DomainID, state: DomainState)]) -> [(domain: DomainID, state: DomainState?)] {
        var news: [(domain: DomainID, state: DomainState?)] = []
        var known = 0
        for (id, state) in all {
            guard id != own, let domain = table[id] else { continue }
            known += 1
            let isNews = state.isDead || state.uniqueID != domain.uniqueID || state.isShutdown && !domain.isShutdownSeen
            if isNews { news.append((id, state)) }
        }
        if known < table.guestCount {
            let there = Set(all.map(\.domain))
            for id in table.guests where !there.contains(id) { news.append((id, nil)) }
        }
        return news
    }

    /// Takes the state of a domain, if the kernel knows this domain. Returns true if it has shut down.
    private func takeIn(_ state: DomainState?, of id: DomainID, _ room: inout Int) -> Bool {
        guard let domain = table[id] else { return false }
        guard let state, !state.isDead, state.uniqueID == domain.uniqueID else {
            queue.append(id, uniqueID: domain.uniqueID)
            destroyQueued(&room)
            return false
        }
        guard state.isShutdown, domain.isIntroduced, !domain.isShutdownSeen else { return false }
        log(.info, "domain \(id.rawValue) has shut down")
        change(id) { $0.isShutdownSeen = true }
        specials.announce(.releaseDomain, form: .domain(id))
        return true
    }

    /// Goes on with what ``refreshAll()`` has begun.
    func goOn() {
        if mustAskAgain { return refreshAll() }
        var room = Work.perTurnOfGuests
        destroyQueued(&room)
        mustGoOn = !queue.isEmpty
    }

    /// Destroys dead domains, those first that have waited longest, while a turn has room.
    private func destroyQueued(_ room: inout Int) {
        while room > 0, let (id, uniqueID) = queue.takeFirst() {
            // Its number may belong to a new domain by now.
            guard let domain = table[id], domain.uniqueID == uniqueID else { continue }
            // What is detached counts as well. To look at that would take longer.
            room -= Work.death + Work.change * accounts.ledger[id].nodes
            destroy(id)
        }
    }

    // MARK: Changing

    /// Changes the kernel's data about a domain, if it knows the domain, and notes them for the next daemon.
    func change(_ id: DomainID, _ body: (inout Domain) -> Void) {
        guard var domain = table[id] else { return }
        body(&domain)
        table[id] = domain
        if domain.isIntroduced, id != own { notes.keep(.domain(DomainRecord(domain, id))) }
    }

    // MARK: Coming

    /// The transport that reaches domains has started.
    func serve(by transport: any DomainTransport) {
        self.transport = transport
        table.settle(in: transport.ownDomain)
    }

    /// Begins a session for a client that has connected: a domain's peer, or dom0's over a socket.
    func connect(_ link: any Link, as peer: Peer, at indexes: StreamIndexes) -> Session {
        var peer = peer
        // A socket takes its clients for dom0's. They run in the daemon's own domain.
        if peer.domain == .control, !peer.outlivesDaemon { peer.domain = own }
        let session = connections.open(link, as: peer, at: indexes, goingOnFrom: left)
        // The test kit's transport, for example, reaches domains without a toolstack.
        if transport == nil {
            if table[peer.domain] == nil { table[peer.domain] = Domain(isIntroduced: true) }
            if !peer.isPrivileged { table[peer.domain]?.session = session }
        }
        return session
    }

    /// The peer has broken the protocol, so its session ended. It now begins again over the same ring, and is served as
    /// after INTRODUCE.
    func reconnect(_ link: any Link, as peer: Peer) -> Session {
        let session = connect(link, as: peer, at: StreamIndexes())
        if let domain = table[peer.domain] { session.features = domain.features }
        table[peer.domain]?.session = session
        return session
    }

    /// The peer begins again over the same wire: see ``Connections/reset(_:)``.
    func reset(_ session: Session) { connections.reset(session) }

    /// Ends the client's session. Its domain stays.
    func disconnect(_ session: Session) {
        if table[session.domain]?.session === session { table[session.domain]?.session = nil }
        connections.end(session)
    }

    /// Connects a domain. A connected domain begins again, and its old session ends with everything that belongs to it.
    /// If the transport refuses that, the old session goes on.
    func introduce(_ id: DomainID, gfn: UInt64, port: UInt32) throws(WireError) {
        guard let transport else { throw .ENOSYS }
        // The number may have belonged to another domain, and nobody has reported its death.
        askHypervisor(about: id)
        guard let domain = table[id] else { throw .ENOENT }
        let isNew = !domain.isIntroduced
        let wire =
            isNew
            ? try transport.introduce(id, gfn: gfn, port: port, features: domain.features)
            : try transport.reintroduce(id, gfn: gfn, port: port, features: domain.features)
        if let old = domain.session { disconnect(old) }
        attach(wire, to: id, domain.features)
        change(id) { domain in
            domain.isIntroduced = true
            domain.gfn = gfn
            domain.port = wire.port ?? port
        }
        log(
            .info,
            "domain \(id.rawValue) \(isNew ? "introduced" : "introduced again"), event channel \(wire.port ?? port)")
        if isNew { specials.announce(.introduceDomain, of: id) }
    }

    /// Serves a domain that is older than the daemon, if the transport wants that and no toolstack has introduced it.
    private func adopt(_ id: DomainID, _ state: DomainState, by transport: any DomainTransport) {
        guard transport.mayAdopt(id), !state.isDead, !isIntroduced(id), id != own else { return }
        do throws(WireError) {
            let wire = try transport.adopt(id, features: table[id]?.features ?? .all)
            if table[id] == nil { table[id] = Domain(uniqueID: state.uniqueID) }
            attach(wire, to: id, table[id]?.features ?? .all)
            change(id) { domain in
                domain.isIntroduced = true
                domain.port = wire.port ?? 0
                domain.isShutdownSeen = state.isShutdown
            }
            log(.info, "domain \(id.rawValue) was there before, and is served now, event channel \(wire.port ?? 0)")
            specials.announce(.introduceDomain, of: id)
        } catch {
            log(
                .notice,
                "domain \(id.rawValue) was there before, and is not served until it is introduced: it has no ring, or "
                    + "its event channel cannot be bound")
        }
    }

    /// Begins a domain's session over its wire.
    private func attach(_ wire: DomainWire, to id: DomainID, _ features: Feature) {
        let session = connect(wire.link, as: wire.peer, at: wire.indexes)
        session.features = features
        table[id]?.session = session
        wire.link.connected(session)
    }

    // MARK: Going

    /// Removes a domain that is gone: its session, its nodes, wherever they are, and every right that was given to it
    /// (XSA-322, XSA-419). If the domain was introduced, watches fire.
    func destroy(_ id: DomainID) {
        queue.remove(id)
        guard let domain = table[id] else { return }
        // Its watches go first, because it must not learn of its own end.
        if let session = domain.session { disconnect(session) }
        table[id] = nil
        table.forgetTarget(id)
        accounts.limits?.forget(id)
        notes.forget(.domain(id))
        for resource in Resource.allCases { notes.forget(.limit(resource, id)) }
        if domain.isIntroduced {
            log(.info, "domain \(id.rawValue) is gone; it held \(accounts.ledger[id].nodes) nodes")
        }
        journal.openTurn()
        let dead = DeadDomain(id: id, mustTell: domain.isIntroduced)
        journal.add(dead)
        if domain.isIntroduced { transport?.release(id) }
        clear(dead)
    }

    /// Removes what a dead domain has left in the store, and fires watches on its end. Runs again after a rollback of
    /// the turn: the domain stays dead, whatever storage does.
    func clear(_ dead: DeadDomain) {
        // The number 0 stands for the toolstack, whose nodes stay if the daemon outlives dom0.
        if dead.id != .control { estates.remove(dead.id, mustTell: dead.mustTell) }
        if dead.mustTell { specials.announce(.releaseDomain, of: dead.id) }
    }

    // MARK: Going on

    /// Begins with the records of an earlier daemon. ``resume()`` ends this.
    func takeOver(_ left: Handover) {
        self.left = left
        restoreLimits(left.limits)
    }

    /// Serves the domains that were introduced before the daemon was restarted, and removes what belongs to those that
    /// have died meanwhile. Then serves others that are older than the daemon, as far as the transport wants that. To be
    /// called once, when all transports have started.
    func resume() {
        guard let transport else { return }
        if let left { goOn(with: left, by: transport) }
        left = nil
        // Domains may have shut down while no daemon ran.
        guard let survey = transport.hypervisor.survey() else { return refreshAll() }
        takeIn(survey)
        for (id, state) in survey.existing.sorted(by: { $0.domain < $1.domain }) { adopt(id, state, by: transport) }
    }

    private func goOn(with left: Handover, by transport: any DomainTransport) {
        for record in left.takeDomains() {
            let state = transport.hypervisor.state(of: record.id)
            table[record.id] = Domain(record)
            if let state, !state.isDead, state.uniqueID == record.uniqueID {
                resume(record, by: transport)
            } else {
                destroy(record.id)
            }
        }
        // Domains that were never introduced may own nodes, or have rights to some.
        for id in estates.heirs where id != .control && id != .any {
            refresh(id)
            if table[id] != nil { continue }
            table[id] = Domain()
            destroy(id)
        }
        for key in left.unclaimed { notes.forget(key) }
        forgetLimitsOfTheDead()
    }

    private func resume(_ record: DomainRecord, by transport: any DomainTransport) {
        do throws(WireError) {
            let wire = try transport.resume(
                record.id, gfn: record.gfn, port: record.port, features: record.features)
            attach(wire, to: record.id, record.features)
        } catch {
            log(
                .error,
                "domain \(record.id.rawValue) cannot be served again: its ring cannot be mapped or its event channel not bound"
            )
        }
    }

    /// Sets the limits that were set at run time again, unless the configuration has changed meanwhile.
    private func restoreLimits(_ settings: [LimitSetting]) {
        guard let limits = accounts.limits else { return }
        for setting in settings where !limits.restore(setting) {
            let domain = setting.domain
            notes.forget(.limit(setting.resource, domain))
            log(
                .notice,
                "the limit \(setting.resource.name)\(domain.map { " of domain \($0.rawValue)" } ?? "") is "
                    + "\(limits.limit(of: setting.resource, for: domain)) now, not \(setting.limit) as was set at run "
                    + "time: the configuration has changed")
        }
    }

    /// Forgets the limits of domains that are gone and were never introduced.
    private func forgetLimitsOfTheDead() {
        for setting in accounts.limits?.settings ?? [] {
            guard let id = setting.domain, id != .control, id != own else { continue }
            refresh(id)
            if table[id] != nil { continue }
            accounts.limits?.forget(id)
            notes.forget(.limit(setting.resource, id))
        }
    }
}
