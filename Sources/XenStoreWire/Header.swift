// SPDX-License-Identifier: Apache-2.0

/// The sixteen bytes before every message, four words in the host's byte order.
public struct Header: Sendable, Equatable {
    /// Bytes a header takes on the wire.
    public static let size = 16

    /// The number of an ``Operation``; any other number is an unknown operation.
    public var type: UInt32
    /// Chosen by the client, copied into the reply; 0 in watch events.
    public var request: UInt32
    /// 0, or what TRANSACTION_START returned; copied into the reply.
    public var transaction: UInt32
    /// Bytes that follow the header, at most ``Limits/payloadMax``.
    public var length: UInt32

    public init(type: UInt32, request: UInt32 = 0, transaction: UInt32 = 0, length: UInt32) {
        self.type = type
        self.request = request
        self.transaction = transaction
        self.length = length
    }

    /// Reads a header. `bytes` must hold at least ``size`` bytes; any alignment will do.
    @inlinable
    public init(_ bytes: UnsafeRawBufferPointer) {
        type = bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self)
        request = bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        transaction = bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
        length = bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self)
    }

    /// Writes the header to `bytes`, which must have room for ``size`` bytes.
    @inlinable
    public func store(to bytes: UnsafeMutableRawPointer) {
        bytes.storeBytes(of: type, as: UInt32.self)
        bytes.storeBytes(of: request, toByteOffset: 4, as: UInt32.self)
        bytes.storeBytes(of: transaction, toByteOffset: 8, as: UInt32.self)
        bytes.storeBytes(of: length, toByteOffset: 12, as: UInt32.self)
    }
}
