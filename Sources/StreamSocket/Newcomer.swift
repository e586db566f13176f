// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// A connection whose client must first send some bytes, within a time, to show who it is.
final class Newcomer: ReadinessHandler, TimerHandler {
    private unowned let server: StreamServer
    private let descriptor: Int32
    private var bytes: [UInt8] = []

    init(_ descriptor: Int32, of server: StreamServer) throws(SystemError) {
        self.server = server
        self.descriptor = descriptor
        try server.loop.add(descriptor, for: .readable, self)
        server.loop.wake(self, at: server.loop.now.advanced(byMilliseconds: server.bounds.patience))
    }

    func ready(_ descriptor: Int32, for readiness: Readiness) {
        guard readiness.contains(.readable) else { return server.refuse(descriptor, Self.absence) }
        let room = Arrival.bytesMax - bytes.count
        let count = linux_receive(descriptor, server.buffer.baseAddress, min(room, server.buffer.count))
        if count > 0 {
            bytes += server.buffer[..<count]
            server.judge(Arrival(descriptor: descriptor, bytes: bytes))
        } else if count == 0 || errno != EAGAIN && errno != EINTR {
            server.refuse(descriptor, Self.absence)
        }
    }

    private static let absence = "it was gone before it said who it is"

    func wake(at now: Moment) { server.refuse(descriptor, "it did not say in time who it is") }

    /// Gives the connection up. It stays open.
    func leave() {
        server.loop.remove(descriptor)
        server.loop.wake(self, at: nil)
    }

    /// Closes the connection, since the daemon ends.
    func end() {
        leave()
        close(descriptor)
    }
}
