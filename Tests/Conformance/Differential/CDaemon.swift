// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport

/// Debian's C xenstored, on a toy hypervisor that has dom0 and the domains 1 and 2.
final class CDaemon {
    private let folder: TemporaryFolder
    private let process: ChildProcess

    /// Why there can be none on this machine, if there can't.
    static var obstacle: String? {
        if program == nil { return "C xenstored 4.17 (xen-utils-4.17) is not installed" }
        if !Installed.isProgram(FakeXen.compiler) { return "there is no C compiler for the toy hypervisor" }
        return access("/usr/include/xenctrl.h", R_OK) == 0
            ? nil : "the headers for the toy hypervisor (libxen-dev) are not installed"
    }

    private static let program = ["/usr/lib/xen-4.17/bin/xenstored"].first(where: Installed.isProgram)

    /// Returns when the daemon serves.
    init() throws {
        guard let program = CDaemon.program else { throw Trouble("no C xenstored") }
        folder = try TemporaryFolder()
        for name in ["run", "lib", "world", "world/dom1", "world/dom2"] { mkdir(folder.file(name), 0o700) }
        for domain in 1...2 {
            try FakeDomainStates(of: folder.file("world")).write(
                UInt16(domain), FakeDomainStates.State(uniqueID: UInt64(10 + domain)))
        }
        process = try ChildProcess(
            [program, "-N"],
            environment: [
                "XENSTORED_RUNDIR": folder.file("run"), "XENSTORED_ROOTDIR": folder.file("lib"),
                "FAKEXEN_DIR": folder.file("world"), "LD_PRELOAD": try FakeXen.library.get(),
            ], output: folder.file("log"), errors: folder.file("log"))
        // It tells nobody when it serves. It either will, or die.
        let deadline = Deadline()
        while (try? connect()) == nil {
            guard try waitUntilReady([(process.lifeline, POLLIN)], Deadline(in: .milliseconds(1))).isEmpty,
                deadline.milliseconds > 0
            else { throw Trouble("C xenstored does not serve: \(folder.text(of: "log"))") }
        }
    }

    func connect() throws -> RawClient { try RawClient(folder.file("run/socket")) }
}
