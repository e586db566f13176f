// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing && canImport(CXenManage)
    import CXen
    import CXenManage
    import Glibc
    import XenStorePlugin
    import XenStoreWire

    /// The domains of this host, according to libxenmanage. Its interface is stable from Xen 4.21 on, and it gives each
    /// domain a number that is never used again.
    public final class XenDomains: Hypervisor {
        /// The name of the library, for the log.
        public static let library = "libxenmanage"
        private var handle: OpaquePointer?

        public init() {}

        deinit { close() }

        /// Connects to the hypervisor, and checks that it answers.
        public func open() throws(SystemError) {
            guard let opened = xenmanage_open(xen_silent_logger(), 0) else {
                throw SystemError(
                    errno, doing: "reach the hypervisor through libxenmanage",
                    advice: "on a Xen host there is /dev/xen/privcmd; elsewhere leave out event-channel-ring")
            }
            handle = opened
            guard state(of: .control) == nil else { return }
            let code = errno
            close()
            throw SystemError(
                code, doing: "ask the hypervisor for its domains",
                advice:
                    "libxenmanage needs Xen 4.21 or later; for an older one build the target XenDomains without its header"
            )
        }

        public func close() {
            if let handle { xenmanage_close(handle) }
            handle = nil
        }

        public func state(of domain: DomainID) -> DomainState? {
            var state: UInt32 = 0
            var capabilities: UInt32 = 0
            var uniqueID: UInt64 = 0
            guard let handle,
                xenmanage_get_domain_info(handle, UInt32(domain.rawValue), &state, &capabilities, &uniqueID) == 0,
                state & UInt32(XENMANAGE_GETDOMSTATE_STATE_EXIST) != 0
            else { return nil }
            return DomainState(library: state, uniqueID)
        }

        /// The library tells what has changed since VIRQ_DOM_EXC was bound, one domain with each call.
        public func survey() -> DomainSurvey? {
            guard let handle else { return nil }
            var changed: [(domain: DomainID, state: DomainState?)] = []
            var domain: UInt32 = 0
            var state: UInt32 = 0
            var capabilities: UInt32 = 0
            var uniqueID: UInt64 = 0
            while xenmanage_poll_changed_domain(handle, &domain, &state, &capabilities, &uniqueID) == 0 {
                guard let number = UInt16(exactly: domain) else { continue }
                let exists = state & UInt32(XENMANAGE_GETDOMSTATE_STATE_EXIST) != 0
                changed.append((DomainID(number), exists ? DomainState(library: state, uniqueID) : nil))
            }
            return .changed(changed)
        }
    }

    extension DomainState {
        fileprivate init(library state: UInt32, _ uniqueID: UInt64) {
            self.init(
                uniqueID: uniqueID,
                isShutdown: state & UInt32(XENMANAGE_GETDOMSTATE_STATE_SHUTDOWN) != 0,
                isDead: state & UInt32(XENMANAGE_GETDOMSTATE_STATE_DEAD) != 0)
        }
    }
#endif
