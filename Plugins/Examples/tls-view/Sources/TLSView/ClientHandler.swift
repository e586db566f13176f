// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOTLS

/// One client on NIO's thread. It writes letters, and decides nothing else.
///
/// The channel does not read on its own. The handler reads until there are bytes for the daemon. It reads on when the
/// daemon asks for more. So a client cannot fill the daemon's memory.
final class ClientHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let mailbox: Mailbox
    private let patience: TimeAmount
    private let left: @Sendable () -> Void
    private var wire: Wire?
    private var received = ByteBuffer()
    private var timer: Scheduled<Void>?

    /// - Parameter left: called once, when the channel has ended.
    init(_ mailbox: Mailbox, patience: TimeAmount, left: @escaping @Sendable () -> Void) {
        self.mailbox = mailbox
        self.patience = patience
        self.left = left
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
        context.read()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent else { return }
        timer?.cancel()
        let wire = Wire(context.channel, mailbox)
        self.wire = wire
        mailbox.put(.opened(wire))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        received.writeBuffer(&bytes)
    }

    /// What was read may be only a part of a TLS record, or of the handshake.
    func channelReadComplete(context: ChannelHandlerContext) {
        guard let wire, received.readableBytes > 0 else { return context.read() }
        mailbox.put(.received(received, wire))
        received = ByteBuffer()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        if let wire { mailbox.put(.closed(wire)) }
        left()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
