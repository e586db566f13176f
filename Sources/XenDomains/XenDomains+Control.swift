// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing && !canImport(CXenManage)
    import CXenControl
    import Glibc
    import XenStorePlugin
    import XenStoreWire

    /// The domains of this host, according to libxenctrl.
    ///
    /// The library has the hypervisor's own interface, which changes with each version of Xen. Nothing else in the
    /// daemon depends on it, so for another Xen only this target must be rebuilt.
    public final class XenDomains: Hypervisor {
        /// The name of the library, for the log.
        public static let library = "libxenctrl"
        private var handle: OpaquePointer?
        /// Where the hypervisor lists domains.
        private let list = UnsafeMutableBufferPointer<xc_domaininfo_t>.allocate(capacity: 1024)

        public init() { list.initialize(repeating: xc_domaininfo_t()) }

        deinit {
            close()
            list.deallocate()
        }

        /// Connects to the hypervisor, and checks that it answers.
        public func open() throws(SystemError) {
            guard
                let opened = xc_interface_open(
                    xen_silent_logger(), xen_silent_logger(), XC_OPENFLAG_NON_REENTRANT.rawValue)
            else {
                throw SystemError(
                    errno, doing: "reach the hypervisor through libxenctrl",
                    advice: "on a Xen host there is /dev/xen/privcmd; elsewhere leave out event-channel-ring")
            }
            handle = opened
            var info = xc_domaininfo_t()
            guard xc_domain_getinfolist(opened, 0, 1, &info) < 0 else { return }
            let code = errno
            close()
            throw SystemError(
                code, doing: "ask the hypervisor for its domains",
                advice: code == EACCES || code == EPERM ? Self.mismatch : nil)
        }

        public func close() {
            if let handle { xc_interface_close(handle) }
            handle = nil
        }

        public func state(of domain: DomainID) -> DomainState? {
            var info = xc_domaininfo_t()
            guard let handle, xc_domain_getinfolist(handle, UInt32(domain.rawValue), 1, &info) == 1,
                info.domain == domain.rawValue
            else { return nil }
            return state(info)
        }

        /// The library cannot tell what has changed: all domains are listed, many with each call. Nil if that fails.
        public func survey() -> DomainSurvey? {
            guard let handle else { return nil }
            var states: [(domain: DomainID, state: DomainState)] = []
            var first: UInt32 = 0
            while first <= UInt32(UInt16.max) {
                let count = xc_domain_getinfolist(handle, first, UInt32(list.count), list.baseAddress)
                guard count >= 0 else { return nil }
                for info in list.prefix(Int(count)) { states.append((DomainID(info.domain), state(info))) }
                guard count == list.count, let last = list.last else { break }
                first = UInt32(last.domain) + 1
            }
            return .all(states)
        }

        private func state(_ info: xc_domaininfo_t) -> DomainState {
            DomainState(
                uniqueID: withUnsafeBytes(of: info.handle, fold),
                isShutdown: info.flags & UInt32(XEN_DOMINF_shutdown) != 0,
                isDead: info.flags & UInt32(XEN_DOMINF_dying) != 0)
        }

        /// A hash of the UUID. libxenctrl offers nothing better to tell apart two domains with the same number.
        private func fold(_ handle: UnsafeRawBufferPointer) -> UInt64 {
            stride(from: 0, to: handle.count - 7, by: 8).reduce(0) {
                $0 ^ handle.loadUnaligned(fromByteOffset: $1, as: UInt64.self)
            }
        }

        private static var mismatch: String {
            let running =
                HostVersion.text.map { "the hypervisor is Xen \($0)" } ?? "the hypervisor is of another version"
            return "sxenstored was built for domctl interface \(xen_domctl_interface_version), and \(running): "
                + "rebuild its target XenDomains with that version's libxenctrl"
        }
    }

    /// The version of the running Xen, according to the kernel of dom0.
    private enum HostVersion {
        static var text: String? {
            guard let major = number("major"), let minor = number("minor") else { return nil }
            return "\(major).\(minor)"
        }

        private static func number(_ name: String) -> Int? {
            let descriptor = Glibc.open("/sys/hypervisor/version/\(name)", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return nil }
            defer { Glibc.close(descriptor) }
            var digits = [UInt8](repeating: 0, count: 16)
            let count = read(descriptor, &digits, digits.count)
            return Int(String(decoding: digits.prefix(max(count, 0)), as: UTF8.self).filter(\.isNumber))
        }
    }
#endif
