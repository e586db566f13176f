// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStoreKernel

/// A listening unix socket and the connections that came in through it.
public final class SocketListener: ReadinessHandler, TimerHandler {
    let loop: any EventLoop
    let kernel: Kernel
    /// Every connection receives into this one buffer, so that idle ones hold none.
    let buffer: UnsafeMutableRawBufferPointer

    private let peer: Peer
    private let descriptor: Int32
    private let file: SocketFile
    private let log: PluginLog
    private var connections: [Int32: SocketConnection] = [:]
    private var isStopped = false

    private var admission: Admission
    /// A descriptor to give up when there is no other, so that a client can still be told no. -1 if it
    /// could not be had back.
    private var reserve: Int32

    private static let bufferBytes = 64 * 1024
    /// More connections than this are left for the next turn, so that a storm of them doesn't keep the
    /// others waiting.
    private static let acceptsPerTurn = 64
    /// For how long nobody is accepted if a client can't even be told no.
    private static let pauseMilliseconds: UInt64 = 100

    /// Listens: when this returns, clients can connect, each as `peer`.
    public init(
        _ settings: SocketSettings, peer: Peer, on loop: any EventLoop, kernel: Kernel, log: PluginLog = .silent
    ) throws(SystemError) {
        let descriptor = socket(AF_UNIX, linux_sock_stream | linux_sock_cloexec | linux_sock_nonblock, 0)
        guard descriptor >= 0 else { throw SystemError(errno, doing: "create a socket") }
        do throws(SystemError) {
            file = try SocketFile(binding: descriptor, to: settings)
        } catch {
            close(descriptor)
            throw error
        }
        self.loop = loop
        self.kernel = kernel
        self.peer = peer
        self.descriptor = descriptor
        self.log = log
        buffer = .allocate(byteCount: Self.bufferBytes, alignment: 16)
        admission = Admission(connections: settings.connections, leavesHalf: !peer.mayWrite)
        reserve = Self.openReserve()
        do throws(SystemError) {
            guard listen(descriptor, settings.backlog) == 0 else {
                throw SystemError(errno, doing: "listen on '\(settings.path)'")
            }
            try loop.add(descriptor, for: .readable, self)
        } catch {
            stop()
            throw error
        }
        log.info("listening on \(settings.path)")
    }

    deinit {
        stop()
        buffer.deallocate()
    }

    /// Ends all connections, stops listening and removes the socket's file.
    public func stop() {
        guard !isStopped else { return }
        isStopped = true
        file.remove()
        loop.remove(descriptor)
        loop.wake(self, at: nil)
        close(descriptor)
        if reserve >= 0 { close(reserve) }
        for connection in connections.values { connection.end() }
    }

    /// How many connections are open.
    public var connectionCount: Int { connections.count }

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

    private func accept() -> Int32 { accept4(descriptor, nil, nil, linux_sock_cloexec | linux_sock_nonblock) }

    private func adopt(_ accepted: Int32) {
        if let refusal = admission.refusal(accepted, beside: connections.count) {
            close(accepted)
            return tell(refusal)
        }
        let connection = SocketConnection(accepted, of: self)
        do throws(SystemError) {
            try loop.add(accepted, for: .readable, connection)
        } catch {
            close(accepted)
            return tell(.none(error.code))
        }
        connections[accepted] = connection
        connection.begin(kernel.connect(connection, as: peer))
    }

    private func tell(_ refusal: Admission.Refusal) {
        admission.tell(refusal, beside: connections.count, at: loop.now, log)
    }

    /// No descriptor is left. Left in the backlog, the client would wake the loop again and again; it is
    /// let in through the reserve and shown out. False if even that is impossible for now.
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

    /// The pause is over.
    public func wake(at now: Moment) {
        reserve = Self.openReserve()
        loop.change(descriptor, to: .readable)
    }

    private static func openReserve() -> Int32 { open("/dev/null", O_RDONLY | O_CLOEXEC) }

    /// A connection has ended.
    func forget(_ accepted: Int32) { connections[accepted] = nil }
}
