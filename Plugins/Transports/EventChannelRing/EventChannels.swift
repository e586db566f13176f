// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import CXen
    import Glibc
    import Synchronization
    import XenStorePlugin
    import XenStoreWire

    /// The daemon's ends of event channels. All of them wake the daemon through one descriptor.
    final class EventChannels {
        /// The descriptor. It is readable while a port is pending.
        let descriptor: Int32
        private let handle: OpaquePointer

        /// The interrupt that the hypervisor sends when a domain ends.
        private static let domainException: UInt32 = 3

        init() throws(SystemError) {
            XenDevice.makeIfMissing("evtchn")
            guard let handle = xenevtchn_open(xen_silent_logger(), 0) else {
                throw SystemError(
                    errno, doing: "open /dev/xen/evtchn",
                    advice: "is this dom0 of a Xen host, with the module xen-evtchn?")
            }
            self.handle = handle
            descriptor = xenevtchn_fd(handle)
            // A read for the next pending port must not block.
            let flags = fcntl(descriptor, F_GETFL)
            guard flags >= 0, fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0 else {
                throw SystemError(errno, doing: "set up /dev/xen/evtchn")
            }
        }

        deinit { xenevtchn_close(handle) }

        /// Binds the daemon's end of a channel whose other end the domain has made ready.
        func bind(_ domain: DomainID, _ port: UInt32) -> UInt32? {
            UInt32(exactly: xenevtchn_bind_interdomain(handle, UInt32(domain.rawValue), port))
        }

        func bindDomainExceptions() -> UInt32? {
            UInt32(exactly: xenevtchn_bind_virq(handle, Self.domainException))
        }

        func unbind(_ port: UInt32) { xenevtchn_unbind(handle, port) }

        /// Sends an event to the other end, which then sees all earlier writes.
        @inline(__always)
        func notify(_ port: UInt32) {
            atomicMemoryFence(ordering: .sequentiallyConsistent)
            xenevtchn_notify(handle, port)
        }

        /// A port with an event. It gets no further event until it is unmasked.
        @inline(__always)
        func nextPending() -> UInt32? { UInt32(exactly: xenevtchn_pending(handle)) }

        @inline(__always)
        func unmask(_ port: UInt32) { xenevtchn_unmask(handle, port) }
    }
#endif
