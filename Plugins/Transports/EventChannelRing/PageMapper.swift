// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import CXen
    import Glibc
    import XenDomains
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
        private let mapReference: xengnttab_map_grant_ref_call
        private let unmapPages: xengnttab_unmap_call
        private let closeHandle: xengnttab_close_call
        /// The entry of each guest's grant table that Xen reserves for the ring.
        private static let reservedReference: UInt32 = 1

        init() throws(SystemError) {
            let library = try XenLibrary("libxengnttab.so.1", package: "libxengnttab1")
            let openHandle: xengnttab_open_call = try library.function("xengnttab_open")
            mapReference = try library.function("xengnttab_map_grant_ref")
            unmapPages = try library.function("xengnttab_unmap")
            closeHandle = try library.function("xengnttab_close")
            XenDevice.makeIfMissing("gntdev")
            guard let handle = openHandle(xen_silent_logger(), 0) else {
                throw SystemError(
                    errno, doing: "open /dev/xen/gntdev",
                    advice: "load the module xen-gntdev, or set 'map: foreign' for a kernel without it")
            }
            self.handle = handle
        }

        deinit { _ = closeHandle(handle) }

        func map(_ domain: DomainID, gfn: UInt64) -> RingPage? {
            mapReference(handle, UInt32(domain.rawValue), Self.reservedReference, PROT_READ | PROT_WRITE)
                .map(RingPage.init)
        }

        func unmap(_ page: RingPage) { _ = unmapPages(handle, page.base, 1) }
    }

    /// Maps the page with the gfn that the toolstack names. It needs dom0's right to map any page of any guest.
    final class ForeignMapper: PageMapper {
        private let handle: OpaquePointer
        private let mapPages: xenforeignmemory_map_call
        private let unmapPages: xenforeignmemory_unmap_call
        private let closeHandle: xenforeignmemory_close_call

        init() throws(SystemError) {
            let library = try XenLibrary("libxenforeignmemory.so.1", package: "libxenforeignmemory1")
            let openHandle: xenforeignmemory_open_call = try library.function("xenforeignmemory_open")
            mapPages = try library.function("xenforeignmemory_map")
            unmapPages = try library.function("xenforeignmemory_unmap")
            closeHandle = try library.function("xenforeignmemory_close")
            XenDevice.makeIfMissing("privcmd")
            guard let handle = openHandle(xen_silent_logger(), 0) else {
                throw SystemError(errno, doing: "open /dev/xen/privcmd")
            }
            self.handle = handle
        }

        deinit { _ = closeHandle(handle) }

        func map(_ domain: DomainID, gfn: UInt64) -> RingPage? {
            var number = xen_page_number(gfn)
            var failure: Int32 = 0
            let page = mapPages(
                handle, UInt32(domain.rawValue), PROT_READ | PROT_WRITE, 1, &number, &failure)
            guard let page else { return nil }
            if failure == 0 { return RingPage(base: page) }
            _ = unmapPages(handle, page, 1)
            return nil
        }

        func unmap(_ page: RingPage) { _ = unmapPages(handle, page.base, 1) }
    }
#endif
