// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import XenDomains
    import XenStorePlugin
    import XenStoreWire

    /// The domains with a special part on this host. On nearly every host dom0 has both.
    struct HostRoles {
        /// The domain in which the daemon runs.
        let own: DomainID
        /// The domain whose kernel has all rights, as it manages the others.
        let privileged: DomainID
        /// Whether the operator has named the privileged domain.
        private let isNamed: Bool

        /// As in C xenstored: what the operator says wins; then the first domain that controls the host is privileged,
        /// and the daemon runs in the last domain that may have a XenStore daemon. If one of the two is unknown, the other
        /// is both.
        init(_ settings: RingSettings, among domains: [(domain: DomainID, state: DomainState)]) {
            let living = domains.filter { !$0.state.isDead }.sorted { $0.domain < $1.domain }
            let control = settings.privileged ?? living.first { $0.state.capabilities.contains(.control) }?.domain
            let store = settings.own ?? living.last { $0.state.capabilities.contains(.xenstore) }?.domain
            own = store ?? control ?? .control
            privileged = control ?? own
            isNamed = settings.privileged != nil
        }

        /// Whether the domain's kernel has all rights. A later domain with the same number has not, unless the operator
        /// has named the number.
        func isPrivileged(_ domain: DomainID, _ hypervisor: any Hypervisor) -> Bool {
            if domain != privileged { return false }
            return isNamed || domain == own
                || hypervisor.state(of: domain)?.capabilities.contains(.control) == true
        }
    }
#endif
