// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc

    /// Makes files in /dev/xen for devices of the kernel. The daemon starts early, so udev may not have made them yet.
    enum XenDevice {
        private static let folder = "/dev/xen"
        /// The major number of all miscellaneous devices.
        private static let miscellaneous: UInt32 = 10

        /// Makes the file, if the kernel has the device. It ignores errors, since opening the device reports them.
        static func makeIfMissing(_ name: String) {
            let path = "\(folder)/\(name)"
            guard access(path, F_OK) != 0, let list = SmallFile.text(of: "/proc/misc"),
                let minor = minor(of: name, in: list)
            else { return }
            mkdir(folder, 0o755)
            mknod(path, S_IFCHR | 0o600, makedev(miscellaneous, minor))
        }

        /// The minor number of `xen/<name>` in the kernel's list of miscellaneous devices.
        static func minor(of name: String, in list: String) -> UInt32? {
            for line in list.split(separator: "\n") {
                let words = line.split(separator: " ")
                if words.count == 2, words[1] == "xen/\(name)" { return UInt32(words[0]) }
            }
            return nil
        }

        private static func makedev(_ major: UInt32, _ minor: UInt32) -> dev_t {
            dev_t(major) << 8 | dev_t(minor & 0xff) | dev_t(minor & ~0xff) << 12
        }
    }

    /// Reads small files in which the kernel shows something.
    enum SmallFile {
        static func text(of path: String) -> String? {
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            let text = [UInt8](unsafeUninitializedCapacity: 16 * 1024) { buffer, count in
                count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
            }
            return text.isEmpty ? nil : String(decoding: text, as: UTF8.self)
        }
    }
#endif
