// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Where to find a daemon: paths that the client tries in turn. Each may be a unix socket, or the kernel's xenbus device:
/// in a guest, or if the daemon runs in a domain of its own.
public struct Endpoint: Sendable, Equatable {
    public var candidates: [String]

    public init(candidates: [String]) { self.candidates = candidates }

    /// Only one path.
    public init(path: String) { candidates = [path] }

    /// The paths of libxenstore: the socket `$XENSTORED_PATH`, else `$XENSTORED_RUNDIR/socket`, else
    /// `/run/xenstored/socket`; then the device `$XENSTORED_PATH`, else `/dev/xen/xenbus`, else
    /// `/proc/xen/xenbus`.
    public static var standard: Endpoint {
        if let path = environment("XENSTORED_PATH") { return Endpoint(path: path) }
        let folder = environment("XENSTORED_RUNDIR") ?? "/run/xenstored"
        let device = "/dev/xen/xenbus"
        return Endpoint(candidates: [
            folder + "/socket", access(device, F_OK) == 0 ? device : "/proc/xen/xenbus",
        ])
    }

    private static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}
