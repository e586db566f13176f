// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import CXen
    import Glibc
    import XenStorePlugin
    import XenStoreWire

    /// libxenmanage. Its interface is stable from Xen 4.21 on. It tells which domains have changed, and it gives each
    /// domain a number that is never used again.
    final class ManageLibrary: DomainSource {
        static let name = "libxenmanage.so.1"
        private let closeHandle: xenmanage_close_call
        private let domainInfo: xenmanage_get_domain_info_call
        private let pollChanged: xenmanage_poll_changed_domain_call
        private let handle: OpaquePointer
        /// The domains that ``list()`` has found, which the first survey has to tell again.
        private var listed: [(domain: DomainID, state: DomainState?)] = []

        /// Connects to the hypervisor, and checks that it answers. One before Xen 4.21 does not.
        init() throws(SystemError) {
            let library = try XenLibrary(Self.name, package: "libxenmanage1")
            let open: xenmanage_open_call = try library.function("xenmanage_open")
            closeHandle = try library.function("xenmanage_close")
            domainInfo = try library.function("xenmanage_get_domain_info")
            pollChanged = try library.function("xenmanage_poll_changed_domain")
            guard let handle = open(xen_silent_logger(), 0) else {
                throw SystemError(
                    errno, doing: "reach the hypervisor through \(Self.name)", advice: XenDomains.noHypervisor)
            }
            self.handle = handle
            // There may be no domain 0.
            errno = 0
            if state(of: .control) != nil || errno == 0 || errno == ENOENT || errno == ESRCH { return }
            throw SystemError(
                errno, doing: "ask the hypervisor for its domains through \(Self.name)",
                advice: "that library needs Xen 4.21 or later")
        }

        deinit { _ = closeHandle(handle) }

        var summary: String { Self.name }

        func state(of domain: DomainID) -> DomainState? {
            var state: UInt32 = 0
            var capabilities: UInt32 = 0
            var uniqueID: UInt64 = 0
            guard domainInfo(handle, UInt32(domain.rawValue), &state, &capabilities, &uniqueID) == 0 else { return nil }
            return DomainState(state, capabilities, uniqueID)
        }

        /// All count as changed when VIRQ_DOM_EXC is bound.
        func list() -> [(domain: DomainID, state: DomainState)] {
            listed = changed(atMost: .max)
            return listed.compactMap { id, state in state.map { (id, $0) } }
        }

        func survey() -> DomainSurvey? {
            let later = changed(atMost: DomainSurvey.changesMax)
            defer { listed = [] }
            if listed.isEmpty { return .changed(later) }
            let again = Set(later.map(\.domain))
            return .changed(listed.filter { !again.contains($0.domain) } + later)
        }

        /// Those that have changed since this was called last, one with each call of the library.
        private func changed(atMost most: Int) -> [(domain: DomainID, state: DomainState?)] {
            var changed: [(domain: DomainID, state: DomainState?)] = []
            var domain: UInt32 = 0
            var state: UInt32 = 0
            var capabilities: UInt32 = 0
            var uniqueID: UInt64 = 0
            while changed.count < most, pollChanged(handle, &domain, &state, &capabilities, &uniqueID) == 0 {
                guard let number = UInt16(exactly: domain) else { continue }
                changed.append((DomainID(number), DomainState(state, capabilities, uniqueID)))
            }
            return changed
        }
    }
#endif
