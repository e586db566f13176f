// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// What the kernel knows of one domain.
struct Domain {
    /// The domain whose devices this one emulates (SET_TARGET): it shares that one's rights.
    var target: DomainID?
    /// What SET_FEATURE left it.
    var features = Feature.all
    /// Whether it can send requests: INTRODUCE has been done, or an embedded transport did it.
    var isIntroduced = false
}

/// The domains the kernel has to do with, dom0 among them.
struct DomainTable {
    private var domains: [DomainID: Domain] = [.control: Domain(isIntroduced: true)]
    /// Whether there is a hypervisor that could be asked which domains exist. Without one every
    /// number may be a domain's, so that permissions can be set on a machine without Xen.
    var knowsAll = false

    subscript(id: DomainID) -> Domain? {
        get { domains[id] }
        set { domains[id] = newValue }
    }

    /// Whether permissions may be given to this domain without becoming stale at once.
    func mayExist(_ id: DomainID) -> Bool { !knowsAll || domains[id] != nil || id == .any }
}
