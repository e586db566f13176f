// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import Glibc
    import XenStorePlugin

    /// The folder with the glue for each version of Xen: xenctrl-4.17.so and others.
    struct GlueFolder {
        let path: String
        private static let (prefix, suffix) = ("xenctrl-", ".so")

        /// - Parameter path: nil for `../lib/sxenstored/xen` beside the daemon's own folder, whatever it is installed in.
        init(_ path: String?) {
            self.path = path ?? Self.beside(Self.executable)
        }

        static func beside(_ executable: String) -> String {
            let folders = executable.split(separator: "/").dropLast(2)
            return folders.map { "/" + $0 }.joined() + "/lib/sxenstored/xen"
        }

        private static var executable: String {
            var path = [UInt8](repeating: 0, count: Int(PATH_MAX))
            let length = path.withUnsafeMutableBytes { place in
                place.baseAddress.map { readlink("/proc/self/exe", $0, place.count) } ?? 0
            }
            return String(decoding: path.prefix(max(0, length)), as: UTF8.self)
        }

        /// Loads the glue for the running Xen.
        func load() throws(SystemError) -> GlueLibrary {
            if let version = XenVersion.running() { return try load(version) }
            // The kernel does not show the version. libxenctrl refuses to work with another one.
            var failure: SystemError?
            for version in versions {
                do throws(SystemError) { return try load(version) } catch { failure = failure ?? error }
            }
            throw failure
                ?? SystemError(
                    ENOENT, doing: "find the glue for the running Xen in \(path)",
                    advice:
                        "\(XenDomains.noHypervisor). Which Xen runs is unknown, as there is no /sys/hypervisor/version")
        }

        private func load(_ version: String) throws(SystemError) -> GlueLibrary {
            let file = "\(path)/\(Self.prefix)\(version)\(Self.suffix)"
            try check(file, version)
            return try GlueLibrary(file, version: version)
        }

        /// The loader runs code of the file, so nobody else may be able to change the file or to put another in its place.
        private func check(_ file: String, _ version: String) throws(SystemError) {
            guard let status = Self.status(of: file), let folder = Self.status(of: path) else {
                let code = errno
                let others =
                    versions.isEmpty ? "" : "; the folder has only that for \(versions.joined(separator: ", "))"
                throw SystemError(
                    code, doing: "open \(file), the glue for Xen \(version)",
                    advice: "install it, or build it with 'make xen-glue' and libxen-dev of Xen \(version)\(others)")
            }
            if Self.isSafe(status), Self.isSafe(folder) { return }
            throw SystemError(
                EACCES, doing: "use \(file)",
                advice: "another user may change it: file and folder must belong to root, and be writable only for root"
            )
        }

        private static func status(of path: String) -> stat? {
            var status = stat()
            return stat(path, &status) == 0 ? status : nil
        }

        private static func isSafe(_ status: stat) -> Bool {
            status.st_mode & (S_IWGRP | S_IWOTH) == 0 && (status.st_uid == 0 || status.st_uid == geteuid())
        }

        /// The versions of Xen for which the folder has glue, the newest first.
        private var versions: [String] {
            guard let folder = opendir(path) else { return [] }
            defer { closedir(folder) }
            var versions: [String] = []
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                guard name.hasPrefix(Self.prefix), name.hasSuffix(Self.suffix) else { continue }
                versions.append(String(name.dropFirst(Self.prefix.count).dropLast(Self.suffix.count)))
            }
            return versions.sorted { Self.numbers($1).lexicographicallyPrecedes(Self.numbers($0)) }
        }

        private static func numbers(_ version: String) -> [Int] { version.split(separator: ".").map { Int($0) ?? 0 } }
    }
#endif
