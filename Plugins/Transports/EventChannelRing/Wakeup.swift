// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import CLinux
    import Glibc
    import XenStorePlugin

    /// A descriptor that the transport makes readable itself, so that the event loop calls it.
    final class Wakeup {
        let descriptor: Int32

        init() throws(SystemError) {
            descriptor = eventfd(0, linux_efd_nonblock | linux_efd_cloexec)
            guard descriptor >= 0 else { throw SystemError(errno, doing: "create an eventfd") }
        }

        deinit { close(descriptor) }

        func signal() { eventfd_write(descriptor, 1) }

        func clear() {
            var count: eventfd_t = 0
            eventfd_read(descriptor, &count)
        }
    }
#endif
