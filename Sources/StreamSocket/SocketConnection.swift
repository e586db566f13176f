// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// One accepted connection: moves bytes between a socket and the kernel.
///
/// It ends once, from either side: by ``close(_:)`` when the kernel ends the connection, or by ``end(_:)`` when the peer
/// is gone. Both can happen during a call into the kernel, so code after such a call looks at ``connection`` again.
final class SocketConnection: Link, ReadinessHandler {
    private let server: StreamServer
    private let host: any PluginHost
    private let descriptor: Int32
    /// Nil after the connection has ended.
    private var connection: Connection?
    private var isClosed = false

    /// The events for which the loop watches the descriptor.
    private var interest: Readiness = .readable
    /// Whether the socket's buffer is full. It is useless to send until the loop says that the socket has room.
    private var awaitsRoom = false
    /// Whether sending has failed.
    private var isBroken = false
    /// Whether the peer has shut down its sending side. It may still wait for replies.
    private var isHalfClosed = false

    init(_ descriptor: Int32, of server: StreamServer) {
        self.descriptor = descriptor
        self.server = server
        host = server.host
    }

    /// Begins to serve the connection that the kernel has made. The client may have sent requests before.
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

    /// Receives once. If there is more, the loop calls again after the other clients had their turn.
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

    /// The peer sends nothing more. The kernel closes the connection when all requests have their replies.
    private func peerHasShutDown(_ connection: Connection) {
        isHalfClosed = true
        watch(connection)
        host.receivedEnd(on: connection)
    }

    /// Ends the connection, since the peer is gone or the daemon ends.
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

    /// Stops sending for ever. The kernel is in the middle of its flush, so it learns of this in the next turn: the
    /// loop reports a socket that is shut down as hung up, whatever it watches the socket for.
    private func fail(_ connection: Connection) {
        isBroken = true
        shutdown(descriptor, Int32(SHUT_RDWR))
        watch(connection)
    }

    /// Watches the socket for the events that matter now.
    private func watch(_ connection: Connection) {
        var wanted: Readiness = []
        if !isBroken {
            if awaitsRoom { wanted.insert(.writable) }
            // Without this check the loop would report the end of a half-closed connection again and again.
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
    /// The reason in words, for the log.
    fileprivate var summary: String {
        switch self {
        case .answered: "the client has finished, and has all its replies"
        case .oversizedMessage: "a message is longer than the protocol allows"
        case .peerNotReading: "the client does not read its events"
        }
    }
}
