// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import XenStorePlugin

    /// The ring of dom0's own kernel. That kernel has made it, and shows it in files.
    struct ControlRing {
        let page: RingPage
        /// The kernel's end of the event channel.
        let port: UInt32

        /// Uses the files of /proc/xen, or the device if these do not exist.
        init(_ settings: RingSettings) throws(SystemError) {
            if let port = SmallFile.text(of: settings.portFile).flatMap(Self.number),
                let page = Self.map(settings.pageFile)
            {
                self.page = page
                self.port = port
                return
            }
            let failure = errno
            guard let found = Self.ask(settings.backendDevice) else {
                throw SystemError(
                    failure, doing: "map the ring of dom0's kernel (\(settings.pageFile), \(settings.portFile))",
                    advice: "is this dom0 of a Xen host, with /proc/xen mounted?")
            }
            self = found
        }

        private init(page: RingPage, port: UInt32) {
            self.page = page
            self.port = port
        }

        /// The page and the port from the kernel's device for a daemon in dom0.
        private static func ask(_ device: String) -> ControlRing? {
            let descriptor = open(device, O_RDWR | O_CLOEXEC)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            // IOCTL_XENBUS_BACKEND_EVTCHN, which is _IO('B', 0): returns the port.
            let port = ioctl(descriptor, UInt(UInt8(ascii: "B")) << 8, 0)
            guard port > 0, let page = map(descriptor) else { return nil }
            return ControlRing(page: page, port: UInt32(port))
        }

        private static func map(_ path: String) -> RingPage? {
            let descriptor = open(path, O_RDWR | O_CLOEXEC)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            return map(descriptor)
        }

        private static func map(_ descriptor: Int32) -> RingPage? {
            let page = mmap(nil, RingPage.byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
            guard let page, page != MAP_FAILED else { return nil }
            return RingPage(base: page)
        }

        private static func number(_ text: String) -> UInt32? {
            UInt32(text.prefix(while: \.isNumber)).flatMap { $0 > 0 ? $0 : nil }
        }

        static func unmap(_ page: RingPage) { munmap(page.base, RingPage.byteCount) }
    }
#endif
