// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Domains come, shut down, are resumed and go.
extension Machine {
    /// Takes in what the hypervisor says of a domain that a request names: a domain that is new gets a
    /// record, one that has died is destroyed. Of introduced domains VIRQ_DOM_EXC tells.
    ///
    /// This changes the store, and so comes before a request is handled and before a snapshot is opened that
    /// may be gone back to: what is undone with that must not bring a dead domain's nodes back (XSA-322).
    mutating func refresh(_ id: DomainID) {
        if domains[id]?.isIntroduced == true { return }
        askHypervisor(about: id)
    }

    private mutating func askHypervisor(about id: DomainID) {
        guard let hypervisor = domainTransport?.hypervisor, id != .control else { return }
        spend(Work.question)
        let state = hypervisor.state(of: id).flatMap { $0.isDead ? nil : $0 }
        if let known = domains[id], known.uniqueID != state?.uniqueID { destroy(id) }
        if let state, domains[id] == nil { domains[id] = Domain(uniqueID: state.uniqueID) }
    }

    /// The domains that a SET_PERMS names, of whom the hypervisor may have to be asked. A guest must not have it
    /// asked about more of them than it may name.
    func domains(namedBy payload: UnsafeRawBufferPointer, of session: Session) -> [DomainID] {
        guard domainTransport != nil, let (_, entries) = payload.splitAtNul() else { return [] }
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

    /// Whether permissions may name the domain without being stale at once. Without a hypervisor to ask,
    /// every number may be a domain's: permissions can be set on a machine without Xen.
    func mayExist(_ id: DomainID) -> Bool { domainTransport == nil || domains[id] != nil }

    // MARK: Coming

    /// Connects a domain. One that is connected begins again: what its old connection had is gone then. If
    /// that is refused, the old connection is served on.
    mutating func introduce(_ id: DomainID, frame: UInt64, port: UInt32, by transport: any DomainTransport)
        throws(WireError)
    {
        // Its number may have belonged to another domain, whose death nobody has reported.
        askHypervisor(about: id)
        guard let domain = domains[id] else { throw .ENOENT }
        let isNew = !domain.isIntroduced
        let wire =
            isNew
            ? try transport.introduce(id, frame: frame, port: port, features: domain.features)
            : try transport.reintroduce(id, frame: frame, port: port, features: domain.features)
        if let old = domain.session { disconnect(old) }
        attach(wire, to: id, domain.features)
        domains[id]?.isIntroduced = true
        domains[id]?.frame = frame
        domains[id]?.port = port
        note(id)
        log(.info, "domain \(id.rawValue) \(isNew ? "introduced" : "introduced again"), event channel \(port)")
        if isNew { announceSpecial("@introduceDomain", of: id) }
    }

    /// Begins a domain's session over its wire.
    mutating func attach(_ wire: DomainWire, to id: DomainID, _ features: Feature) {
        let session = connect(wire.link, as: wire.peer, at: wire.indexes)
        session.features = features
        domains[id]?.session = session
        wire.link.connected(session)
    }

    /// The peer wants to begin anew over a ring that was given up since it broke the protocol: it is
    /// served again, as after INTRODUCE.
    mutating func reconnect(_ link: any Link, as peer: Peer) -> Session {
        let session = connect(link, as: peer, at: StreamIndexes())
        if let domain = domains[peer.domain] { session.features = domain.features }
        domains[peer.domain]?.session = session
        return session
    }

    // MARK: Going

    /// Some domain has changed its state (VIRQ_DOM_EXC): looks at all that matter here.
    mutating func domainsChanged() {
        guard let hypervisor = domainTransport?.hypervisor else { return }
        var shutDown = false
        for id in domains.guests {
            guard let domain = domains[id] else { continue }
            let state = hypervisor.state(of: id)
            guard let state, !state.isDead, state.uniqueID == domain.uniqueID else {
                destroy(id)
                continue
            }
            if state.isShutdown, domain.isIntroduced, !domain.isShutdownSeen {
                domains[id]?.isShutdownSeen = true
                log(.info, "domain \(id.rawValue) has shut down")
                note(id)
                announceSpecial("@releaseDomain", form: .domain(id))
                shutDown = true
            }
        }
        if shutDown { announceSpecial("@releaseDomain", form: .plain) }
    }

    /// A domain is gone: so are its connection, its nodes wherever they are, and every right that
    /// was given to it (XSA-322, XSA-419). Who waits for that is told, if the domain was introduced.
    mutating func destroy(_ id: DomainID) {
        guard let domain = domains[id] else { return }
        // Its watches go first: it must not hear of its own end.
        if let session = domain.session { disconnect(session) }
        domains[id] = nil
        domains.forgetTarget(id)
        accounts.limits?.forget(id)
        note(id)
        for resource in Resource.allCases { note(nil, of: resource, for: id) }
        if domain.isIntroduced {
            log(.info, "domain \(id.rawValue) is gone; it held \(accounts.ledger[id].nodes) nodes")
        }
        openTurn()
        let dead = Turn.Dead(id: id, mustTell: domain.isIntroduced)
        turn?.dead.append(dead)
        if domain.isIntroduced { domainTransport?.release(id) }
        clear(dead)
    }

    /// Removes what is left of a dead domain in the store, and tells of its end.
    mutating func clear(_ dead: Turn.Dead) {
        removeNodes(of: dead.id, tell: dead.mustTell)
        removeRights(of: dead.id)
        if dead.mustTell { announceSpecial("@releaseDomain", of: dead.id) }
    }

    /// Removes every subtree whose top the domain owns, with the events that RM would cause: one walk,
    /// which ends when there is nothing left to be found.
    private mutating func removeNodes(of id: DomainID, tell: Bool) {
        var node = store.root
        while node.exists, accounts.ledger[id].nodes > 0 {
            if store.owner(of: node) == id, node != store.root {
                let next = store.nextBehind(node)
                removeSubtree(node, tell: tell)
                node = next
            } else {
                node = store.nextInPreorder(node)
            }
        }
        // What cannot be removed goes to dom0.
        for fixed in [store.root] + store.specials where store.owner(of: fixed) == id {
            let list = store.permissions[store.pointer(fixed).pointee.permissions].owned(by: .control)
            store.setPermissions(of: fixed, to: store.permissions.retain(list))
        }
    }

    private mutating func removeSubtree(_ top: NodeID, tell: Bool) {
        var cause = Cause.nobody
        store.path(of: top).withBytes { bytes in
            guard let path = try? scanner.scan(bytes, home: .control) else { return }
            removeLive(path, top, mustTell: tell && !watches.isEmpty, &cause)
        }
    }

    /// Deletes the domain's entries from all permission lists, special nodes' as well.
    private func removeRights(of id: DomainID) {
        guard store.permissions.contains(entryFor: id) else { return }
        for node in store.nodesWithEntry(for: id) {
            let list = store.permissions[store.pointer(node).pointee.permissions].withoutEntries(for: id)
            store.setPermissions(of: node, to: store.permissions.retain(list))
        }
    }

    // MARK: Telling

    /// Which watches an event of a special node is for.
    enum SpecialForm {
        /// Watches on the plain name, without a depth.
        case plain
        /// Watches on `name/<domid>`, and those on the plain name that have a depth.
        case domain(DomainID)
    }

    private mutating func announceSpecial(_ name: StaticString, of id: DomainID) {
        announceSpecial(name, form: .plain)
        announceSpecial(name, form: .domain(id))
    }

    mutating func announceSpecial(_ name: StaticString, form: SpecialForm) {
        if watches.isEmpty { return }
        guard let plain = try? innerScanner.scan(UnsafeRawBufferPointer(name), home: .control, specials: true)
        else { return }
        var cause = Cause.nobody
        let node = store.find(plain)
        let notice = ChangeNotice(
            isExact: true, before: nil,
            now: node.exists ? Sight(node: store.content(of: node).permissions, parent: nil) : nil)
        matches.removeAll(keepingCapacity: true)
        guard case .domain(let id) = form else {
            collect(plain.hash, notice) { $0.isOn(plain) && $0.depth == nil }
            return deliver(plain.bytes, &cause)
        }
        collect(plain.hash, notice) { $0.isOn(plain) && ($0.depth ?? 0) >= 1 }
        let bytes = Array("\(name)/\(id.rawValue)".utf8)
        bytes.withBytes { bytes in
            guard let path = try? innerScanner.scan(bytes, home: .control, specials: true) else { return }
            collect(path.hash, notice) { $0.isOn(path) && ($0.depth ?? 1) >= 1 }
            deliver(path.bytes, &cause)
        }
    }
}

extension Store {
    /// Every node whose list has an entry for the domain behind the owner's.
    fileprivate func nodesWithEntry(for id: DomainID) -> [NodeID] {
        var found: [NodeID] = []
        var lists: [PermissionsID: Bool] = [:]
        func visit(_ node: NodeID) {
            let list = pointer(node).pointee.permissions
            let names = lists[list] ?? permissions[list].hasEntry(for: id)
            lists[list] = names
            if names { found.append(node) }
        }
        var node = root
        while node.exists {
            visit(node)
            node = nextInPreorder(node)
        }
        specials.forEach(visit)
        return found
    }

    /// The next node of a walk over the whole tree, each node before its children.
    fileprivate func nextInPreorder(_ id: NodeID) -> NodeID {
        let child = firstChild(of: id)
        return child.exists ? child : nextBehind(id)
    }

    /// The next node of that walk that is not below `id`.
    fileprivate func nextBehind(_ id: NodeID) -> NodeID {
        var node = id
        while node.exists, node != root {
            let sibling = nextSibling(of: node)
            if sibling.exists { return sibling }
            node = parent(of: node)
        }
        return .none
    }

    fileprivate var specials: [NodeID] {
        (["@introduceDomain", "@releaseDomain"] as [StaticString]).compactMap { name in
            let bytes = UnsafeRawBufferPointer(name)
            let hash = UInt32(truncatingIfNeeded: hashing.child(bytes, of: hashing.special))
            let number = index.find(hash) { nodes[$0].pointee.name.isEqual(to: bytes) }
            return number == 0 ? nil : NodeID(number: number)
        }
    }
}

extension PermissionList {
    /// Whether an entry behind the owner's names the domain.
    fileprivate func hasEntry(for id: DomainID) -> Bool { entries.dropFirst().contains { $0.domain == id } }

    fileprivate func withoutEntries(for id: DomainID) -> PermissionList {
        PermissionList(entries.prefix(1) + entries.dropFirst().filter { $0.domain != id })
    }
}

extension PermissionTable {
    fileprivate func contains(entryFor id: DomainID) -> Bool {
        var isFound = false
        forEach { _, list in isFound = isFound || list.hasEntry(for: id) }
        return isFound
    }
}
