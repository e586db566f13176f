// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport

/// What a distribution's packages have put on this machine.
enum Installed {
    /// A program of Xen's that goes with one version, such as `test-xenstore`.
    static func xenProgram(_ name: String) -> String? {
        let versions = TemporaryFolder.names(in: "/usr/lib").filter { $0.hasPrefix("xen-") }.sorted()
        return versions.map { "/usr/lib/\($0)/bin/\(name)" }.first(where: isProgram)
    }

    /// A tool of xenstore-utils.
    static func tool(_ name: String) -> String? {
        let path = "/usr/bin/\(name)"
        return isProgram(path) ? path : nil
    }

    static func isProgram(_ path: String) -> Bool { access(path, X_OK) == 0 }

    /// The system's own Python, which Xen's binding is built for.
    static let python = "/usr/bin/python3"

    static let hasPythonBinding: Bool = {
        guard isProgram(python) else { return false }
        let script = "import sys, glob; sys.path[:0] = glob.glob('/usr/lib/xen-*/lib/python'); import xen.lowlevel.xs"
        return (try? run([python, "-c", script]).status) == 0
    }()
}
