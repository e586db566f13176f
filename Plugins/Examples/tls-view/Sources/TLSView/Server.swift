// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import XenStorePlugin

/// The listening socket and all channels, on one thread of NIO's.
final class Server: Sendable {
    struct Settings {
        let address: String
        let port: Int
        let connections: Int
        let patience: TimeAmount
    }

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let context: Mutex<NIOSSLContext>
    private let open = Mutex(0)

    /// Listens. When this returns, clients can connect.
    init(_ settings: Settings, _ context: NIOSSLContext, _ mailbox: Mailbox) throws(SystemError) {
        self.context = Mutex(context)
        let connections = settings.connections
        let patience = settings.patience
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 16384))
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { [self] channel in
                guard enter(connections) else { return channel.close() }
                return channel.eventLoop.makeCompletedFuture {
                    let tls = NIOSSLServerHandler(context: self.context.withLock { $0 })
                    let client = ClientHandler(mailbox, patience: patience) { [self] in leave() }
                    try channel.pipeline.syncOperations.addHandlers(tls, client)
                }
            }
        do {
            _ = try bootstrap.bind(host: settings.address, port: settings.port).wait()
        } catch {
            try? group.syncShutdownGracefully()
            let code = (error as? IOError)?.errnoCode ?? 0
            throw SystemError(code, doing: "listen on \(settings.address), port \(settings.port)")
        }
    }

    /// Uses another certificate for clients that connect from now on.
    func use(_ new: NIOSSLContext) { context.withLock { $0 = new } }

    /// Closes everything.
    func stop() { try? group.syncShutdownGracefully() }

    private func enter(_ limit: Int) -> Bool {
        open.withLock { open in
            if open >= limit { return false }
            open += 1
            return true
        }
    }

    private func leave() { open.withLock { $0 -= 1 } }
}
