// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import CXen
    import Glibc
    import XenStorePlugin
    import XenStoreWire

    /// A way to map the page that a guest shares with the daemon.
    protocol PageMapper: AnyObject {
        /// Maps the page; nil if the guest or the page does not exist.
        func map(_ domain: DomainID, gfn: UInt64) -> RingPage?
        func unmap(_ page: RingPage)
    }

    /// Maps the page that Xen grants to the daemon for each new guest. It gives no access to other pages.
    final class GrantMapper: PageMapper {
        private let handle: OpaquePointer
        /// The entry of each guest's grant table that Xen reserves for the ring.
        private static let reservedReference: UInt32 = 1

        init() throws(SystemError) {
            XenDevice.makeIfMissing("gntdev")
            guard let handle = xengnttab_open(xen_silent_logger(), 0) else {
                throw SystemError(
                    errno, doing: "open /dev/xen/gntdev",
                    advice: "load the module xen-gntdev, or set 'map: foreign' for a kernel without it")
            }
            self.handle = handle
        }

        deinit { xengnttab_close(handle) }

        func map(_ domain: DomainID, gfn: UInt64) -> RingPage? {
            xengnttab_map_grant_ref(handle, UInt32(domain.rawValue), Self.reservedReference, PROT_READ | PROT_WRITE)
                .map(RingPage.init)
        }

        func unmap(_ page: RingPage) { xengnttab_unmap(handle, page.base, 1) }
    }

    /// Maps the page with the gfn that the toolstack names. It needs dom0's right to map any page of any guest.
    final class ForeignMapper: PageMapper {
        private let handle: OpaquePointer

        init() throws(SystemError) {
            XenDevice.makeIfMissing("privcmd")
            guard let handle = xenforeignmemory_open(xen_silent_logger(), 0) else {
                throw SystemError(errno, doing: "open /dev/xen/privcmd")
            }
            self.handle = handle
        }

        deinit { xenforeignmemory_close(handle) }

        func map(_ domain: DomainID, gfn: UInt64) -> RingPage? {
            var number = xen_pfn_t(gfn)
            var failure: Int32 = 0
            let page = xenforeignmemory_map(
                handle, UInt32(domain.rawValue), PROT_READ | PROT_WRITE, 1, &number, &failure)
            guard let page else { return nil }
            if failure == 0 { return RingPage(base: page) }
            xenforeignmemory_unmap(handle, page, 1)
            return nil
        }

        func unmap(_ page: RingPage) { xenforeignmemory_unmap(handle, page.base, 1) }
    }
#endif
