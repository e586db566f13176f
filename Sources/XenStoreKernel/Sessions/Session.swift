// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// One connection as the kernel sees it.
public final class Session {
    public let peer: Peer
    let link: any Link
    /// False while the session is BLOCKED: its transport must not read from the peer.
    public internal(set) var isReading = true
    init(link: any Link, peer: Peer) {
        self.link = link
        self.peer = peer
    }
    /// What is to be sent and has not been reported as sent. Valid until the next call into the
    /// kernel.
    public var unsent: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }
}
