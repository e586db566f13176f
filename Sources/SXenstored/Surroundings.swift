// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The environment of the command line: files, variables and the current folder.
struct Surroundings {
    /// The configuration file that the daemon reads if the command line names none.
    var standardFile = "/etc/xen/sxenstored.yaml"
    /// The file in which Xen tells a domain what it may do.
    var capabilitiesFile = "/proc/xen/capabilities"
    /// `$XENSTORED_RUNDIR`.
    var runDirectory: String?
    /// `$XENSTORED_PATH`.
    var socketPath: String?
    var currentFolder = "/"

    /// Those of this process.
    static var ofThisProcess: Surroundings {
        var surroundings = Surroundings()
        surroundings.runDirectory = getenv("XENSTORED_RUNDIR").map { String(cString: $0) }
        surroundings.socketPath = getenv("XENSTORED_PATH").map { String(cString: $0) }
        if let folder = getcwd(nil, 0) {
            surroundings.currentFolder = String(cString: folder)
            free(folder)
        }
        return surroundings
    }

    /// The absolute path, since the daemon leaves the current folder.
    func absolute(_ path: String) -> String {
        path.hasPrefix("/") || path.isEmpty ? path : "\(currentFolder)/\(path)"
    }

    /// False only if the file certainly does not exist. If it cannot be looked at, reading it must fail with an error.
    func hasStandardFile() -> Bool {
        access(standardFile, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR)
    }

    /// Whether this domain is dom0 of a Xen host.
    func isXenHost() -> Bool {
        let descriptor = open(capabilitiesFile, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = max(0, read(descriptor, &bytes, bytes.count))
        let words = bytes[..<count].split { $0 <= UInt8(ascii: " ") || $0 == UInt8(ascii: ",") }
        return words.contains { $0.elementsEqual("control_d".utf8) }
    }
}
