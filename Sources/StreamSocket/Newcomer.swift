// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// A connection whose client has to send something before it is known who it is, within a time.
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

    private static let absence = "it has gone before it said who it is"

    func wake(at now: Moment) { server.refuse(descriptor, "it has not said in time who it is") }

    /// Lets go of the connection, which stays open.
    func leave() {
        server.loop.remove(descriptor)
        server.loop.wake(self, at: nil)
    }

    /// The daemon ends.
    func end() {
        leave()
        close(descriptor)
    }
}
