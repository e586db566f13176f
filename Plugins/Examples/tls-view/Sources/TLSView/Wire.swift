// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A client's channel, as the daemon's thread uses it. NIO carries out each method on its own thread.
final class Wire: Sendable {
    private let channel: any Channel
    private let mailbox: Mailbox

    init(_ channel: any Channel, _ mailbox: Mailbox) {
        self.channel = channel
        self.mailbox = mailbox
    }

    /// Who the client is, for the log.
    var client: String { channel.remoteAddress.map { "\($0)" } ?? "a client" }

    /// Reads once from the client. A letter has the bytes.
    func read() { channel.read() }

    /// Sends bytes. A letter tells when they are sent. If they cannot be sent, the channel closes.
    func send(_ bytes: ByteBuffer) {
        let count = bytes.readableBytes
        channel.writeAndFlush(bytes).whenSuccess { [self] in mailbox.put(.sent(count, self)) }
    }

    /// Closes after everything is sent.
    func finish() {
        channel.writeAndFlush(ByteBuffer()).whenComplete { [channel] _ in channel.close(promise: nil) }
    }

    /// Closes at once.
    func cut() { channel.close(promise: nil) }
}

extension Wire: Hashable {
    static func == (a: Wire, b: Wire) -> Bool { a === b }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
