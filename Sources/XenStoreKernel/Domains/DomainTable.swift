// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What the kernel knows of one domain.
struct Domain {
    /// The hypervisor's own name for the domain, which no other domain of the same number has.
    var uniqueID: UInt64 = 0
    /// The gfn of its ring, and its port of the event channel, as INTRODUCE said.
    var gfn: UInt64 = 0
    var port: UInt32 = 0
    /// The domain whose devices this one emulates (SET_TARGET). This domain shares its rights.
    var target: DomainID? { didSet { session?.target = target } }
    /// The features that SET_FEATURE has left.
    var features = Feature.all
    /// Whether INTRODUCE was done. The end of the domain then fires watches.
    var isIntroduced = false
    /// Its session. Nil if the domain was not introduced, or has broken the protocol since.
    var session: Session? { didSet { session?.target = target } }
    /// Whether @releaseDomain was fired for its shutdown. RESUME sets it back.
    var isShutdownSeen = false
}

/// The domains that the kernel knows: the daemon's own, those that were introduced, and those that permission lists name.
struct DomainTable {
    private var domains: [DomainID: Domain] = [.control: Domain(isIntroduced: true)]
    /// The daemon's own domain, which is dom0 on nearly every host. It is introduced, and it never ends.
    private(set) var own = DomainID.control
    /// The domains that emulate devices of each domain.
    private var emulators: [DomainID: Set<DomainID>] = [:]

    subscript(id: DomainID) -> Domain? {
        get { domains[id] }
        set {
            let (old, new) = (domains[id]?.target, newValue?.target)
            domains[id] = newValue
            if old == new { return }
            if let old {
                emulators[old]?.remove(id)
                if emulators[old]?.isEmpty == true { emulators[old] = nil }
            }
            if let new { emulators[new, default: []].insert(id) }
        }
    }

    /// Makes this the daemon's own domain.
    mutating func settle(in id: DomainID) {
        guard id != own else { return }
        domains[id] = domains.removeValue(forKey: own)
        own = id
    }

    /// The number of domains without the daemon's own.
    var guestCount: Int { domains.count - 1 }

    /// All domains except the daemon's own, by number.
    var guests: [DomainID] { domains.keys.filter { $0 != own }.sorted() }

    /// Removes the domain as a target of others.
    mutating func forgetTarget(_ id: DomainID) {
        for emulator in emulators.removeValue(forKey: id) ?? [] { domains[emulator]?.target = nil }
    }
}

extension Domain {
    init(_ record: DomainRecord) {
        uniqueID = record.uniqueID
        gfn = record.gfn
        port = record.port
        features = record.features
        target = record.target
        isShutdownSeen = record.isShutdownSeen
        isIntroduced = true
    }
}

extension DomainRecord {
    init(_ domain: Domain, _ id: DomainID) {
        self.init(
            id: id, uniqueID: domain.uniqueID, gfn: domain.gfn, port: domain.port, features: domain.features,
            target: domain.target, isShutdownSeen: domain.isShutdownSeen)
    }
}
