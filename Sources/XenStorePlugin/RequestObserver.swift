// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A plugin of any kind that sees every request of every client, those of dom0 too: an audit trail, for example.
///
/// It only sees. A ``Policy`` decides, and is not asked about dom0.
public protocol RequestObserver: Plugin {
    /// A request is finished: its answer stands, and is sent after this call.
    ///
    /// An observer sees each request of a client once, in the order in which the daemon has carried them out. Requests
    /// in a transaction are seen when they are answered, and so is the request that ends the transaction. If storage
    /// refuses what a turn has changed, its changes have not happened, and the observer sees their requests with EIO.
    func finished(_ request: FinishedRequest)
}

/// A request that has got its answer. The buffer is valid only while the observer is called.
public struct FinishedRequest {
    /// Who has asked.
    public var peer: Peer
    /// The number of the connection, as in the log.
    public var connection: UInt64
    /// The operation; nil if the protocol has none with this number.
    public var operation: Operation?
    /// The number of the operation.
    public var type: UInt32
    /// 0, or the transaction that the request belongs to.
    public var transaction: UInt32
    /// The path or the special node that the request names, as the client has written it: a relative path begins at
    /// the home of the client's domain. Empty for operations that name none. The bytes may be anything.
    public var path: UnsafeRawBufferPointer
    /// The error that the client gets; nil if the daemon has done what it was asked for.
    public var error: WireError?
    /// The time of the turn, which all of its requests share.
    public var moment: Moment

    public init(
        peer: Peer, connection: UInt64, operation: Operation?, type: UInt32, transaction: UInt32,
        path: UnsafeRawBufferPointer, error: WireError?, moment: Moment
    ) {
        self.peer = peer
        self.connection = connection
        self.operation = operation
        self.type = type
        self.transaction = transaction
        self.path = path
        self.error = error
        self.moment = moment
    }
}
