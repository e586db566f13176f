// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A transaction of one connection, as the daemon numbers it.
public struct TransactionID: RawRepresentable, Hashable, Sendable {
    public var rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Outside of any transaction.
    public static let none = TransactionID(rawValue: 0)
}

/// One request that is ready to be sent, and the function that reads its reply. ``XenStoreConnection/perform(_:)`` and
/// ``XenStore/perform(_:)`` perform the same requests.
public struct Request<Reply>: Sendable {
    public let operation: Operation
    public let transaction: TransactionID
    /// At most ``Limits/payloadMax`` bytes.
    let payload: [UInt8]
    let decode: @Sendable ([UInt8]) throws(ProtocolViolation) -> Reply

    /// - Parameters:
    ///   - strings: each is sent with a NUL after it. A string with a NUL in it fails with EINVAL.
    ///   - tail: any bytes, which are sent after the strings.
    init(
        _ operation: Operation, in transaction: TransactionID = .none,
        strings: [any WireText] = [], tail: [UInt8] = [],
        decode: @escaping @Sendable ([UInt8]) throws(ProtocolViolation) -> Reply
    ) throws(XenStoreError) {
        var payload: [UInt8] = []
        for string in strings {
            let bytes = string.wireBytes
            guard !bytes.contains(0) else { throw .wire(.EINVAL) }
            payload += bytes
            payload.append(0)
        }
        payload += tail
        guard payload.count <= Limits.payloadMax else { throw .wire(.E2BIG) }
        self.operation = operation
        self.transaction = transaction
        self.payload = payload
        self.decode = decode
    }

    /// The bytes of the request.
    var frame: [UInt8] {
        let header = Header(
            type: operation.rawValue, transaction: transaction.rawValue,
            length: UInt32(payload.count))
        return [UInt8](unsafeUninitializedCapacity: Header.size + payload.count) { bytes, count in
            let raw = UnsafeMutableRawBufferPointer(bytes)
            header.store(to: raw.baseAddress.unsafelyUnwrapped)
            UnsafeMutableRawBufferPointer(rebasing: raw[Header.size...]).copyBytes(from: payload)
            count = Header.size + payload.count
        }
    }

    /// Reads the daemon's reply to this request. `type` is that of the reply's header.
    func reply(type: UInt32, payload: [UInt8]) throws(XenStoreError) -> Reply {
        switch type {
        case operation.rawValue:
            do throws(ProtocolViolation) {
                return try decode(payload)
            } catch {
                throw .protocolViolation(error)
            }
        case Operation.error.rawValue:
            // All clients read an unknown name as EINVAL, as Linux does.
            let name = payload.prefix { $0 != 0 }
            throw .wire(name.withUnsafeBytes { WireError(wireName: $0) } ?? .EINVAL)
        default:
            throw .protocolViolation(.unexpectedReply(to: operation, type: type))
        }
    }
}
