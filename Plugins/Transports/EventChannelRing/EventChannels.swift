// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import CXen
    import Glibc
    import Synchronization
    import XenDomains
    import XenStorePlugin
    import XenStoreWire

    /// The daemon's ends of event channels. All of them wake the daemon through one descriptor.
    final class EventChannels {
        /// The descriptor. It is readable while a port is pending.
        let descriptor: Int32
        private let handle: OpaquePointer
        private let calls: Calls

        /// The interrupt that the hypervisor sends when a domain ends.
        private static let domainException: UInt32 = 3

        init() throws(SystemError) {
            calls = try Calls()
            XenDevice.makeIfMissing("evtchn")
            guard let handle = calls.open(xen_silent_logger(), 0) else {
                throw SystemError(
                    errno, doing: "open /dev/xen/evtchn",
                    advice: "is this dom0 of a Xen host, with the module xen-evtchn?")
            }
            self.handle = handle
            descriptor = calls.descriptor(handle)
            // A read for the next pending port must not block.
            let flags = fcntl(descriptor, F_GETFL)
            guard flags >= 0, fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0 else {
                throw SystemError(errno, doing: "set up /dev/xen/evtchn")
            }
        }

        deinit { _ = calls.close(handle) }

        /// Binds the daemon's end of a channel whose other end the domain has made ready.
        func bind(_ domain: DomainID, _ port: UInt32) -> UInt32? {
            UInt32(exactly: calls.bindInterdomain(handle, UInt32(domain.rawValue), port))
        }

        func bindDomainExceptions() -> UInt32? {
            UInt32(exactly: calls.bindInterrupt(handle, Self.domainException))
        }

        func unbind(_ port: UInt32) { _ = calls.unbind(handle, port) }

        /// Sends an event to the other end, which then sees all earlier writes.
        @inline(__always)
        func notify(_ port: UInt32) {
            atomicMemoryFence(ordering: .sequentiallyConsistent)
            _ = calls.notify(handle, port)
        }

        /// A port with an event. It gets no further event until it is unmasked.
        @inline(__always)
        func nextPending() -> UInt32? { UInt32(exactly: calls.pending(handle)) }

        @inline(__always)
        func unmask(_ port: UInt32) { _ = calls.unmask(handle, port) }

        /// The functions of libxenevtchn.
        private struct Calls {
            let open: xenevtchn_open_call
            let close: xenevtchn_close_call
            let descriptor: xenevtchn_fd_call
            let bindInterdomain: xenevtchn_bind_interdomain_call
            let bindInterrupt: xenevtchn_bind_virq_call
            let unbind: xenevtchn_unbind_call
            let notify: xenevtchn_notify_call
            let pending: xenevtchn_pending_call
            let unmask: xenevtchn_unmask_call

            init() throws(SystemError) {
                let library = try XenLibrary("libxenevtchn.so.1", package: "libxenevtchn1")
                open = try library.function("xenevtchn_open")
                close = try library.function("xenevtchn_close")
                descriptor = try library.function("xenevtchn_fd")
                bindInterdomain = try library.function("xenevtchn_bind_interdomain")
                bindInterrupt = try library.function("xenevtchn_bind_virq")
                unbind = try library.function("xenevtchn_unbind")
                notify = try library.function("xenevtchn_notify")
                pending = try library.function("xenevtchn_pending")
                unmask = try library.function("xenevtchn_unmask")
            }
        }
    }
#endif
