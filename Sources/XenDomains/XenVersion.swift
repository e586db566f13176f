// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc

    /// The version of the running Xen, as this domain's kernel shows it.
    enum XenVersion {
        private static let folder = "/sys/hypervisor/version"

        /// Such as "4.17"; nil if the kernel does not show it.
        static func running() -> String? {
            guard let major = number("major"), let minor = number("minor") else { return nil }
            return "\(major).\(minor)"
        }

        /// Whether libxenmanage belongs to the running Xen.
        static var hasManageLibrary: Bool {
            guard let major = number("major"), let minor = number("minor") else { return false }
            return (major, minor) >= (4, 21)
        }

        private static func number(_ name: String) -> Int? {
            let descriptor = open("\(folder)/\(name)", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            var digits = [UInt8](repeating: 0, count: 16)
            let count = read(descriptor, &digits, digits.count)
            return Int(String(decoding: digits.prefix(max(count, 0)), as: UTF8.self).filter(\.isNumber))
        }
    }
#endif
