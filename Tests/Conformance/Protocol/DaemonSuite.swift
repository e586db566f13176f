// SPDX-License-Identifier: Apache-2.0
import TestSupport

/// A suite whose tests begin with a new daemon and a client of the toolstack.
class DaemonSuite {
    let daemon: Daemon
    let client: RawClient

    init(_ daemon: Daemon) throws {
        self.daemon = daemon
        client = try daemon.connect()
    }

    convenience init() throws { try self.init(Daemon()) }
}

/// A suite whose tests begin with two clients of the toolstack, and with the nodes `/c/x` and `/c/y`.
class TwoClientSuite: DaemonSuite {
    let other: RawClient

    override init(_ daemon: Daemon) throws {
        other = try daemon.connect()
        try super.init(daemon)
        for path in ["/c/x", "/c/y"] { _ = try client.ask(.write, "\(path)\0old") }
    }
}
