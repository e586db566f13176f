// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStoreKernel

/// A listening unix socket and the connections that came in through it.
public final class SocketListener: ReadinessHandler {
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

    /// A descriptor to give up when there is no other, so that a client can still be told no. -1 if it
    /// could not be had back.
    private var reserve: Int32
    private var isFull = false

    private static let bufferBytes = 64 * 1024
    /// More connections than this are left for the next turn, so that a storm of them doesn't keep the
    /// others waiting.
    private static let acceptsPerTurn = 64

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
            case EMFILE, ENFILE: guard turnAway() else { return }
            default: return
            }
        }
    }

    private func accept() -> Int32 { accept4(descriptor, nil, nil, linux_sock_cloexec | linux_sock_nonblock) }

    private func adopt(_ accepted: Int32) {
        let connection = SocketConnection(accepted, of: self)
        do throws(SystemError) {
            try loop.add(accepted, for: .readable, connection)
        } catch {
            log.error("a client was turned away: \(String(cString: strerror(error.code)))")
            close(accepted)
            return
        }
        connections[accepted] = connection
        connection.begin(kernel.connect(connection, as: peer))
    }

    /// No descriptor is left. Left in the backlog, the client would wake the loop again and again; it is
    /// let in through the reserve and shown out. False if even that is impossible for now.
    private func turnAway() -> Bool {
        if !isFull {
            log.error(
                """
                no file descriptors are left with \(connections.count) connections: clients are turned away until \
                some close; raise the limit (nofile)
                """
            )
            isFull = true
        }
        guard reserve >= 0 else {
            // Only if something can end the pause.
            if !connections.isEmpty { loop.change(descriptor, to: []) }
            return false
        }
        close(reserve)
        let accepted = accept()
        if accepted >= 0 { close(accepted) }
        reserve = Self.openReserve()
        return accepted >= 0
    }

    private static func openReserve() -> Int32 { open("/dev/null", O_RDONLY | O_CLOEXEC) }

    /// A connection has ended, and with it the want of descriptors.
    func forget(_ accepted: Int32) {
        connections[accepted] = nil
        guard isFull, !isStopped else { return }
        isFull = false
        if reserve < 0 {
            reserve = Self.openReserve()
            loop.change(descriptor, to: .readable)
        }
    }
}
