// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import XenStorePlugin

/// A unix socket with its file, and the clients of the socket.
public final class SocketListener {
    private let settings: SocketSettings
    private let log: PluginLog
    private let server: StreamServer
    private var file: SocketFile
    private var folder: FolderWatch?
    private var isStopped = false

    /// Listens. When this returns, clients can connect, each as `peer`.
    public init(
        _ settings: SocketSettings, peer: Peer, on loop: any EventLoop, host: any PluginHost, log: PluginLog = .silent
    ) throws(SystemError) {
        self.settings = settings
        self.log = log
        let socket = try ListeningSocket(settings)
        file = socket.file
        let bounds = StreamServer.Bounds(connections: settings.connections, leavesHalf: !peer.mayWrite)
        do throws(SystemError) {
            server = try StreamServer(socket.descriptor, bounds, on: loop, host: host, log: log) { _ in
                .peer(peer)
            }
        } catch {
            socket.close()
            throw error
        }
        folder = FolderWatch(settings.path, on: loop) { [weak self] in self?.restoreFile() }
        log.info("listening on \(settings.path)")
        if folder == nil { log.debug("no inotify: if somebody removes \(settings.path), only SIGHUP makes it again") }
    }

    deinit { stop() }

    /// Ends all connections, stops listening and removes the socket's file.
    public func stop() {
        guard !isStopped else { return }
        isStopped = true
        folder?.stop()
        file.remove()
        server.stop()
    }

    /// Makes the socket's file again if somebody has removed it. Open connections go on, and waiting clients are
    /// accepted. If another file has taken the place, this leaves that file alone.
    public func restoreFile() {
        guard !isStopped else { return }
        switch file.fate {
        case .isThere: return
        case .isReplaced: return log.error("\(settings.path) is not our socket any more: no new client can connect")
        case .isGone: break
        }
        do throws(SystemError) {
            try renew()
            folder?.aim()
            log.warning("somebody has removed \(settings.path); the daemon has made it again")
        } catch {
            log.error(
                "somebody has removed \(settings.path), so no new client can connect: can't \(error.doing): "
                    + "\(String(cString: strerror(error.code))); SIGHUP makes the daemon try again")
        }
    }

    /// Listens on a new socket at the same path. Clients that have connected to the old one are not lost.
    private func renew() throws(SystemError) {
        let new = try ListeningSocket(settings)
        do throws(SystemError) {
            try server.move(to: new.descriptor, takingAlong: settings.backlog)
        } catch {
            new.close()
            throw error
        }
        file = new.file
    }

    /// The number of open connections.
    public var connectionCount: Int { server.connectionCount }
}
