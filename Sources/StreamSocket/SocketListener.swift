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

    private let settings: SocketSettings
    private let peer: Peer
    private var socket: ListeningSocket
    private var folder: FolderWatch?
    let log: PluginLog
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
        socket = try ListeningSocket(settings)
        self.settings = settings
        self.loop = loop
        self.kernel = kernel
        self.peer = peer
        self.log = log
        buffer = .allocate(byteCount: Self.bufferBytes, alignment: 16)
        admission = Admission(connections: settings.connections, leavesHalf: !peer.mayWrite)
        reserve = Self.openReserve()
        do throws(SystemError) {
            try loop.add(socket.descriptor, for: .readable, self)
        } catch {
            stop()
            throw error
        }
        folder = FolderWatch(settings.path, on: loop) { [weak self] in self?.restoreFile() }
        log.info("listening on \(settings.path)")
        if folder == nil { log.debug("if \(settings.path) is removed, only SIGHUP makes it again: no inotify") }
    }

    deinit {
        stop()
        buffer.deallocate()
    }

    /// Ends all connections, stops listening and removes the socket's file.
    public func stop() {
        guard !isStopped else { return }
        isStopped = true
        folder?.stop()
        loop.remove(socket.descriptor)
        loop.wake(self, at: nil)
        socket.close()
        if reserve >= 0 { close(reserve) }
        for connection in connections.values { connection.end("the daemon ends") }
    }

    /// Makes the socket's file again if somebody has removed it. Connections go on, and so do clients that wait
    /// to be accepted. A file that has taken its place is left alone.
    public func restoreFile() {
        guard !isStopped else { return }
        switch socket.fate {
        case .isThere: return
        case .isReplaced: return log.error("\(settings.path) is not our socket any more: no new client can connect")
        case .isGone: break
        }
        do throws(SystemError) {
            try renew()
            folder?.aim()
            log.warning("\(settings.path) was removed by somebody; it is there again")
        } catch {
            log.error(
                "\(settings.path) was removed by somebody, and no new client can connect: can't \(error.doing): "
                    + "\(String(cString: strerror(error.code))); SIGHUP has it tried again")
        }
    }

    /// Listens on another socket of the same path.
    private func renew() throws(SystemError) {
        let new = try ListeningSocket(settings)
        do throws(SystemError) {
            try loop.add(new.descriptor, for: .readable, self)
        } catch {
            new.close()
            throw error
        }
        // Whoever has connected before the file went must not be lost with the socket.
        for _ in 0...settings.backlog {
            let accepted = socket.accept()
            guard accepted >= 0 else { break }
            adopt(accepted)
        }
        loop.remove(socket.descriptor)
        socket.close()
        socket = new
    }

    /// How many connections are open.
    public var connectionCount: Int { connections.count }

    // MARK: Accepting

    public func ready(_ descriptor: Int32, for readiness: Readiness) {
        for _ in 0..<Self.acceptsPerTurn {
            let accepted = socket.accept()
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
        log.debug("connection \(accepted): \(Self.client(of: accepted))")
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
            loop.change(socket.descriptor, to: [])
            loop.wake(self, at: loop.now.advanced(byMilliseconds: Self.pauseMilliseconds))
            return false
        }
        close(reserve)
        let accepted = socket.accept()
        if accepted >= 0 { close(accepted) }
        reserve = Self.openReserve()
        return accepted >= 0
    }

    /// The pause is over.
    public func wake(at now: Moment) {
        reserve = Self.openReserve()
        loop.change(socket.descriptor, to: .readable)
    }

    private static func client(of accepted: Int32) -> String {
        var client = linux_client()
        guard linux_get_client(accepted, &client) == 0 else { return "a client that is gone already" }
        return "process \(client.process) of user \(client.user)"
    }

    private static func openReserve() -> Int32 { open("/dev/null", O_RDONLY | O_CLOEXEC) }

    /// A connection has ended.
    func forget(_ accepted: Int32) { connections[accepted] = nil }
}
