// SPDX-License-Identifier: Apache-2.0
import NIOCore
import XenStorePlugin

/// One client on the daemon's thread.
final class RemoteLink: Link {
    /// The bytes of one client that NIO may hold. The rest waits in the daemon, which has limits of its own.
    private static let window = 65536

    private let wire: Wire
    private unowned let host: any PluginHost
    private let ended: () -> Void
    private var connection: Connection?
    private var onTheirWay = 0
    private var hasStoppedReading = false

    /// - Parameter ended: called when the daemon has ended the connection.
    init(_ wire: Wire, on host: any PluginHost, as peer: Peer, ended: @escaping () -> Void) {
        (self.wire, self.host, self.ended) = (wire, host, ended)
        connection = host.connect(self, as: peer)
        wire.read()
    }

    // MARK: Letters

    func received(_ bytes: ByteBuffer) {
        guard let connection else { return }
        bytes.withUnsafeReadableBytes { host.receive($0, on: connection) }
        readOn(connection)
    }

    func sent(_ count: Int) {
        onTheirWay -= count
        if let connection { host.resumeSending(on: connection) }
    }

    func closed() {
        if let connection { host.disconnect(connection) }
        connection = nil
    }

    // MARK: The daemon

    func flush(_ connection: Connection) {
        let unsent = connection.unsent
        let count = min(unsent.count, Self.window - onTheirWay)
        guard count > 0 else { return }
        wire.send(ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: unsent[..<count])))
        onTheirWay += count
        host.sent(count, on: connection)
    }

    func readingChanged(_ connection: Connection) {
        if hasStoppedReading { readOn(connection) }
    }

    func close(_ reason: EndReason) {
        connection = nil
        if reason == .answered { wire.finish() } else { wire.cut() }
        ended()
    }

    private func readOn(_ connection: Connection) {
        hasStoppedReading = !connection.isReading
        if connection.isReading { wire.read() }
    }
}
