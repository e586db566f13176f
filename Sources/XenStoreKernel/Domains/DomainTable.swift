// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What the kernel knows of one domain.
struct Domain {
    /// The hypervisor's own name for it, by which it differs from others of the same number.
    var uniqueID: UInt64 = 0
    /// Where its ring is and its end of the event channel, as INTRODUCE said.
    var gfn: UInt64 = 0
    var port: UInt32 = 0
    /// The domain whose devices this one emulates (SET_TARGET): it shares that one's rights.
    var target: DomainID? { didSet { session?.target = target } }
    /// What SET_FEATURE left it.
    var features = Feature.all
    /// INTRODUCE has been done: whoever waits for domains to go is told when this one does.
    var isIntroduced = false
    /// Its connection. None if it was not introduced, or broke the protocol since.
    var session: Session? { didSet { session?.target = target } }
    /// That it has shut down was told; it is told again only after RESUME.
    var isShutdownSeen = false
}

/// The domains the kernel has to do with: dom0, those that were introduced, and those that are
/// named in permissions.
struct DomainTable {
    private var domains: [DomainID: Domain] = [.control: Domain(isIntroduced: true)]
    /// Those that emulate devices of each domain.
    private var emulators: [DomainID: Set<DomainID>] = [:]

    subscript(id: DomainID) -> Domain? {
        get { domains[id] }
        set {
            let (old, new) = (domains[id]?.target, newValue?.target)
            domains[id] = newValue
            if old == new { return }
            if let old { emulators[old]?.remove(id) }
            if let new { emulators[new, default: []].insert(id) }
        }
    }

    /// How many there are but dom0.
    var guestCount: Int { domains.count - 1 }

    /// All but dom0, by number.
    var guests: [DomainID] { domains.keys.filter { $0 != .control }.sorted() }

    /// No domain is the target of this one's emulator any more.
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
