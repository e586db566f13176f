// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What a command line means depends on where it is given.
struct Surroundings {
    /// The configuration that is read if none is named, and if it is there.
    var standardFile = "/etc/xen/sxenstored.yaml"
    /// Where Xen tells a domain what it may do.
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

    /// The path from the root, since the daemon will leave the current folder.
    func absolute(_ path: String) -> String {
        path.hasPrefix("/") || path.isEmpty ? path : "\(currentFolder)/\(path)"
    }

    /// False only if there is certainly no such file: one that cannot be looked at must not be
    /// passed over in silence.
    func hasStandardFile() -> Bool {
        access(standardFile, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR)
    }

    /// Whether this domain is the one that runs the host, for which guests wait.
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
