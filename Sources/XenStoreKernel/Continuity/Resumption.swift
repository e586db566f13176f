// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Noting what a restart must not lose.
extension Machine {
    /// The domain was introduced, has changed, or is gone.
    mutating func note(_ id: DomainID) {
        guard keepsBatches, id != .control else { return }
        let key = Array("domain/\(id.rawValue)".utf8)
        guard let domain = domains[id], domain.isIntroduced else { return notes.forget(key) }
        notes.keep(DomainNote(domain).bytes, under: key)
    }

    mutating func note(_ watch: Watch, isGone: Bool = false) {
        guard keepsBatches, watch.session.outlivesDaemon else { return }
        let key = Array("watch/\(watch.serial)".utf8)
        if !isGone { return notes.keep(WatchNote(watch, of: watch.session.domain).bytes, under: key) }
        if !notes.withdraw(key) { notes.forget(key) }
    }

    /// A limit was set at run time, for one domain or for all, or does not stand any more.
    mutating func note(_ setting: LimitSetting?, of resource: Resource, for domain: DomainID?) {
        guard keepsBatches else { return }
        let key = "limit/\(domain.map { "\($0.rawValue)" } ?? "all")/\(resource.name)"
        guard let setting else { return notes.forget(Array(key.utf8)) }
        notes.keep(UInt64(setting.limit).noteBytes + setting.configured.noteBytes, under: Array(key.utf8))
    }
}

/// Going on where a daemon that ended has left.
extension Machine {
    /// Serves the domains that were introduced before the daemon was restarted, and puts away what
    /// belongs to those that have died meanwhile. To be called once, when all transports have started.
    mutating func resumeDomains() {
        guard let left = handover, let transport = domainTransport else { return }
        for (id, note) in left.domains.sorted(by: { $0.key < $1.key }) {
            let state = transport.hypervisor.state(of: id)
            domains[id] = Domain(note)
            if let state, !state.isDead, state.uniqueID == note.uniqueID {
                resume(id, note, by: transport)
            } else {
                destroy(id)
            }
        }
        // Domains that were never introduced may own nodes, or have rights to some.
        for id in store.permissions.domains where id != .control && id != .any {
            refresh(id)
            if domains[id] != nil { continue }
            domains[id] = Domain()
            destroy(id)
        }
        // Of peers that have not come back.
        for watches in handover?.watches.values.map(\.self) ?? [] {
            for watch in watches { notes.forget(Array("watch/\(watch.serial)".utf8)) }
        }
        for (id, note) in handover?.streams ?? [:] {
            notes.forget(StreamNote.key(id))
            for position in note.pieces.keys { notes.forget(StreamNote.key(id, pieceAt: position)) }
        }
        forgetLimitsOfTheDead()
        handover = nil
        // Some may have shut down when nobody was there to be told.
        domainsChanged()
    }

    private mutating func resume(_ id: DomainID, _ note: DomainNote, by transport: any DomainTransport) {
        do throws(WireError) {
            let wire = try transport.resume(id, frame: note.frame, port: note.port, features: note.features)
            attach(wire, to: id, note.features)
        } catch {
            log(
                .error,
                "domain \(id.rawValue) cannot be served again: its ring cannot be mapped or its event channel not bound"
            )
        }
    }

    /// A peer that was there before the daemon was restarted has its watches back.
    mutating func restoreWatches(of session: Session) {
        guard session.outlivesDaemon, let notes = handover?.watches.removeValue(forKey: session.domain) else {
            return
        }
        for note in notes.sorted(by: { $0.serial < $1.serial }) {
            note.path.withBytes { path in
                guard let path = try? scanner.scan(path, home: .control, specials: true) else { return }
                note.token.withBytes { token in
                    add(
                        Watch(
                            session: session, path: path, token: token, hiddenPrefix: note.hiddenPrefix,
                            depth: note.depth, serial: note.serial))
                }
            }
            watchSerial = max(watchSerial, note.serial)
        }
    }

    /// Limits that were set at run time are in force again, unless the configuration has changed meanwhile.
    mutating func restoreLimits() {
        guard let limits = accounts.limits else { return }
        for setting in handover?.limits ?? [] where !limits.restore(setting) {
            let domain = setting.domain
            note(nil, of: setting.resource, for: domain)
            log(
                .notice,
                "the limit \(setting.resource.name)\(domain.map { " of domain \($0.rawValue)" } ?? "") is "
                    + "\(limits.limit(of: setting.resource, for: domain)) now, not \(setting.limit) as was set at run "
                    + "time: the configuration has changed")
        }
    }

    /// Limits of domains that are gone, and were never introduced.
    private mutating func forgetLimitsOfTheDead() {
        for setting in accounts.limits?.settings ?? [] {
            guard let id = setting.domain, id != .control else { continue }
            refresh(id)
            if domains[id] != nil { continue }
            accounts.limits?.forget(id)
            note(nil, of: setting.resource, for: id)
        }
    }
}

extension Domain {
    init(_ note: DomainNote) {
        uniqueID = note.uniqueID
        frame = note.frame
        port = note.port
        features = note.features
        target = note.target
        isShutdownSeen = note.isShutdownSeen
        isIntroduced = true
    }
}

extension PermissionTable {
    /// Every domain that some list names.
    fileprivate var domains: [DomainID] {
        var found: Set<DomainID> = []
        forEach { _, list in found.formUnion(list.entries.map(\.domain)) }
        return found.sorted()
    }
}
