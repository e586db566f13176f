// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// Serves the clients of a listening stream socket of any family. The transport makes the socket, and says who each
/// client is.
public final class StreamServer: ReadinessHandler, TimerHandler {
    let loop: any EventLoop
    let host: any PluginHost
    let log: PluginLog
    let bounds: Bounds
    /// The buffer into which every connection receives. An idle connection needs none.
    let buffer: UnsafeMutableRawBufferPointer

    private var descriptor: Int32
    private let admit: (Arrival) -> Verdict
    private var connections: [Int32: SocketConnection] = [:]
    private var newcomers: [Int32: Newcomer] = [:]
    private var isStopped = false

    private var admission: Admission
    /// A descriptor that the server gives up when no other is free, to accept a client and close it. -1 if the server
    /// has none.
    private var reserve: Int32

    /// How many clients there can be, and how long a client may stay unknown.
    public struct Bounds: Sendable {
        /// The largest number of clients; 0 for as many as the file descriptors allow.
        public var connections: Int
        /// Whether the clients leave half of the daemon's file descriptors to other transports.
        public var leavesHalf: Bool
        /// The time in milliseconds within which the transport must know a client.
        public var patience: UInt64

        /// By default the clients are as important as dom0's own tools, and have ten seconds.
        public init(connections: Int = 0, leavesHalf: Bool = false, patience: UInt64 = 10_000) {
            self.connections = connections
            self.leavesHalf = leavesHalf
            self.patience = patience
        }
    }

    private static let bufferBytes = 64 * 1024
    /// The largest number of connections in one turn. Further ones wait for the next turn, so they do not keep other
    /// clients waiting.
    private static let acceptsPerTurn = 64
    /// How long the server accepts nobody if it cannot even close a new client.
    private static let pauseMilliseconds: UInt64 = 100

    /// Serves a socket that listens and does not block. The server will close the socket, unless this throws.
    ///
    /// - Parameters:
    ///   - descriptor: the listening socket.
    ///   - bounds: limits of the server and of its connections.
    ///   - loop: the event loop that watches the sockets.
    ///   - host: gets the clients.
    ///   - log: gets messages about clients.
    ///   - admit: says who a client is. The server asks when a client has connected. It asks again when the client has
    ///     sent something, until `admit` knows the client. `admit` must not wait and must not call the server.
    public init(
        _ descriptor: Int32, _ bounds: Bounds = Bounds(), on loop: any EventLoop, host: any PluginHost,
        log: PluginLog = .silent, admit: @escaping (Arrival) -> Verdict
    ) throws(SystemError) {
        self.descriptor = descriptor
        self.bounds = bounds
        self.loop = loop
        self.host = host
        self.log = log
        self.admit = admit
        buffer = .allocate(byteCount: Self.bufferBytes, alignment: 16)
        admission = Admission(connections: bounds.connections, leavesHalf: bounds.leavesHalf)
        reserve = Self.openReserve()
        do throws(SystemError) {
            try loop.add(descriptor, for: .readable, self)
        } catch {
            if reserve >= 0 { close(reserve) }
            isStopped = true
            throw error
        }
    }

    deinit {
        stop()
        buffer.deallocate()
    }

    /// Ends all connections and closes the socket.
    public func stop() {
        guard !isStopped else { return }
        isStopped = true
        loop.remove(descriptor)
        loop.wake(self, at: nil)
        close(descriptor)
        if reserve >= 0 { close(reserve) }
        for newcomer in newcomers.values { newcomer.end() }
        newcomers.removeAll()
        for connection in connections.values { connection.end("the daemon ends") }
    }

    /// Serves the socket `new` from now on. Accepts up to `backlog` clients that wait at the old socket.
    func move(to new: Int32, takingAlong backlog: Int32) throws(SystemError) {
        try loop.add(new, for: .readable, self)
        for _ in 0...backlog {
            let accepted = accept()
            guard accepted >= 0 else { break }
            adopt(accepted)
        }
        loop.remove(descriptor)
        close(descriptor)
        descriptor = new
    }

    /// The number of connections, including clients that are not known yet.
    public var connectionCount: Int { connections.count + newcomers.count }

    // MARK: Accepting

    public func ready(_ descriptor: Int32, for readiness: Readiness) {
        for _ in 0..<Self.acceptsPerTurn {
            let accepted = accept()
            if accepted >= 0 {
                adopt(accepted)
                continue
            }
            switch errno {
            case EINTR, ECONNABORTED: continue
            case EMFILE, ENFILE: guard turnAway(errno) else { return }
            default: return
            }
        }
    }

    /// Accepts a client that waits. Returns -1 if there is none.
    private func accept() -> Int32 { accept4(descriptor, nil, nil, linux_sock_cloexec | linux_sock_nonblock) }

    private func adopt(_ accepted: Int32) {
        if let refusal = admission.refusal(accepted, beside: connectionCount) {
            close(accepted)
            return tell(refusal)
        }
        log.debug("connection \(accepted): \(SocketClient(accepted))")
        judge(Arrival(descriptor: accepted, bytes: []))
    }

    /// Asks the transport who a client is, and acts on the answer.
    func judge(_ arrival: Arrival) {
        let accepted = arrival.descriptor
        switch admit(arrival) {
        case .peer(let peer, let taken):
            forgetNewcomer(accepted)
            connect(accepted, as: peer, arrival.bytes.dropFirst(taken))
        case .wait where arrival.bytes.count < Arrival.bytesMax: awaitMore(accepted)
        case .wait: refuse(accepted, "its first \(Arrival.bytesMax) bytes do not say who it is")
        case .refusal(let reason): refuse(accepted, reason)
        }
    }

    private func connect(_ accepted: Int32, as peer: Peer, _ bytes: ArraySlice<UInt8>) {
        let connection = SocketConnection(accepted, of: self)
        do throws(SystemError) {
            try loop.add(accepted, for: .readable, connection)
        } catch {
            close(accepted)
            return tell(.none(error.code))
        }
        connections[accepted] = connection
        connection.begin(host.connect(connection, as: peer), with: bytes)
    }

    private func awaitMore(_ accepted: Int32) {
        if newcomers[accepted] != nil { return }
        do throws(SystemError) {
            newcomers[accepted] = try Newcomer(accepted, of: self)
        } catch {
            close(accepted)
            tell(.none(error.code))
        }
    }

    /// Closes the connection of a client that the transport does not admit.
    func refuse(_ accepted: Int32, _ reason: String) {
        forgetNewcomer(accepted)
        close(accepted)
        tell(.unknown(reason))
    }

    private func forgetNewcomer(_ accepted: Int32) { newcomers.removeValue(forKey: accepted)?.leave() }

    private func tell(_ refusal: Admission.Refusal) {
        admission.tell(refusal, beside: connectionCount, at: loop.now, log)
    }

    /// Turns a client away when no descriptor is free. In the backlog the client would wake the loop again and again,
    /// so the server accepts it with the reserve and closes it. False if even that is impossible now.
    private func turnAway(_ code: Int32) -> Bool {
        tell(.none(code))
        guard reserve >= 0 else {
            loop.change(descriptor, to: [])
            loop.wake(self, at: loop.now.advanced(byMilliseconds: Self.pauseMilliseconds))
            return false
        }
        close(reserve)
        let accepted = accept()
        if accepted >= 0 { close(accepted) }
        reserve = Self.openReserve()
        return accepted >= 0
    }

    /// Accepts clients again after the pause.
    public func wake(at now: Moment) {
        reserve = Self.openReserve()
        loop.change(descriptor, to: .readable)
    }

    private static func openReserve() -> Int32 { open("/dev/null", O_RDONLY | O_CLOEXEC) }

    /// Forgets a connection that has ended.
    func forget(_ accepted: Int32) { connections[accepted] = nil }
}
