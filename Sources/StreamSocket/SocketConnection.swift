// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// One accepted connection: moves bytes between a socket and the kernel.
///
/// It ends exactly once, from either side: by ``close(_:)`` when the kernel ends the connection, or by
/// ``end()`` when the peer is gone. Both may come in the middle of a call into the kernel, so
/// everything that follows one looks at ``connection`` again.
final class SocketConnection: Link, ReadinessHandler {
    private let server: StreamServer
    private let host: any PluginHost
    private let descriptor: Int32
    /// Nil once the connection has ended.
    private var connection: Connection?
    private var isClosed = false

    /// What the loop watches the descriptor for.
    private var interest: Readiness = .readable
    /// The socket's buffer is full. Until the loop says that it has room, sending is pointless.
    private var awaitsRoom = false
    /// Sending has failed.
    private var isBroken = false
    /// The peer has shut down its sending side, and may still be waiting for answers.
    private var isHalfClosed = false

    init(_ descriptor: Int32, of server: StreamServer) {
        self.descriptor = descriptor
        self.server = server
        host = server.host
    }

    /// The kernel has taken the connection in. The first requests may have come before that.
    func begin(_ connection: Connection, with bytes: ArraySlice<UInt8>) {
        guard !isClosed else { return }
        self.connection = connection
        watch(connection)
        if !bytes.isEmpty { bytes.withUnsafeBytes { host.receive($0, on: connection) } }
    }

    // MARK: The peer's side

    func ready(_ descriptor: Int32, for readiness: Readiness) {
        if readiness.contains(.writable), let connection {
            awaitsRoom = false
            flush(connection)
            if !awaitsRoom { watch(connection) }
        }
        if readiness.contains(.readable), let connection {
            receive(on: connection, isHungUp: readiness.contains(.hungUp))
        } else if readiness.contains(.hungUp) {
            end("the client is gone")
        }
    }

    /// Receives once. If there is more, the loop says so again, and the others had their turn.
    private func receive(on connection: Connection, isHungUp: Bool) {
        let buffer = server.buffer
        let count = linux_receive(descriptor, buffer.baseAddress, buffer.count)
        if count > 0 {
            host.receive(UnsafeRawBufferPointer(rebasing: buffer[..<count]), on: connection)
        } else if count == 0 {
            if isHungUp { end("the client is gone") } else { peerHasShutDown(connection) }
        } else if errno != EAGAIN, errno != EINTR {
            end("can't receive: \(String(cString: strerror(errno)))")
        }
    }

    /// Nothing more will come, but what came may not be answered yet: the kernel closes when it is.
    private func peerHasShutDown(_ connection: Connection) {
        isHalfClosed = true
        watch(connection)
        host.receivedEnd(on: connection)
    }

    /// The peer is gone, or the daemon ends.
    func end(_ reason: String) {
        guard let connection else { return }
        self.connection = nil
        server.log.debug("connection \(descriptor) ends: \(reason)")
        host.disconnect(connection)
        release()
    }

    // MARK: The kernel's side

    func flush(_ connection: Connection) {
        guard self.connection != nil, !awaitsRoom, !isBroken else { return }
        let unsent = connection.unsent
        guard !unsent.isEmpty else { return }
        let count = linux_send(descriptor, unsent.baseAddress, unsent.count)
        if count < 0, errno != EAGAIN, errno != EINTR {
            server.log.debug("connection \(descriptor): can't send: \(String(cString: strerror(errno)))")
            return fail(connection)
        }
        if count < unsent.count {
            awaitsRoom = true
            watch(connection)
        }
        if count > 0 { host.sent(count, on: connection) }
    }

    func readingChanged(_ connection: Connection) {
        guard self.connection != nil else { return }
        watch(connection)
    }

    func close(_ reason: EndReason) {
        connection = nil
        server.log.debug("connection \(descriptor) ends: \(reason.summary)")
        release()
    }

    // MARK: -

    /// Nothing can be sent any more. The kernel is in the middle of its flush, so it is told in the next
    /// turn: a socket that is shut down is reported as hung up, whatever it is watched for.
    private func fail(_ connection: Connection) {
        isBroken = true
        shutdown(descriptor, Int32(SHUT_RDWR))
        watch(connection)
    }

    /// Has the loop watch for what there is to do.
    private func watch(_ connection: Connection) {
        var wanted: Readiness = []
        if !isBroken {
            if awaitsRoom { wanted.insert(.writable) }
            // The loop would report the end of a half-closed connection again and again.
            if connection.isReading, !isHalfClosed { wanted.insert(.readable) }
        }
        guard wanted != interest else { return }
        interest = wanted
        server.loop.change(descriptor, to: wanted)
    }

    private func release() {
        guard !isClosed else { return }
        isClosed = true
        server.loop.remove(descriptor)
        Glibc.close(descriptor)
        server.forget(descriptor)
    }
}

extension EndReason {
    /// For the log.
    fileprivate var summary: String {
        switch self {
        case .answered: "the client has finished, and all is answered"
        case .oversizedMessage: "a message is longer than the protocol allows"
        case .peerNotReading: "the client does not read what it asked to be told"
        }
    }
}
