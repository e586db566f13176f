// SPDX-License-Identifier: Apache-2.0
import Foundation
import XenStoreWire

/// A request as it came over the wire.
struct ReceivedRequest: Equatable {
    var type: UInt32
    var transaction: UInt32
    var payload: String

    init(_ operation: XenStoreWire.Operation, _ payload: String, in transaction: UInt32 = 0) {
        (type, self.transaction, self.payload) = (operation.rawValue, transaction, payload)
    }
}

/// The other end of a client's socket: says what a test wants it to say, byte for byte.
final class FakeDaemon: @unchecked Sendable {
    /// What the client connects with.
    let clientDescriptor: Int32
    private let descriptor: Int32
    private let lock = NSLock()
    private var received: [ReceivedRequest] = []

    /// - Parameter answer: the bytes to send for a request, nil to hang up.
    init(_ answer: @escaping @Sendable (ReceivedRequest) -> [UInt8]?) {
        var ends: [Int32] = [-1, -1]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
        (clientDescriptor, descriptor) = (ends[0], ends[1])
        Thread.detachNewThread { [self] in
            while let request = next(), let bytes = answer(request) { send(bytes) }
            shutdown(descriptor, Int32(SHUT_RDWR))
        }
    }

    deinit { close(descriptor) }

    var requests: [ReceivedRequest] { lock.withLock { received } }

    /// Sends without having been asked.
    func send(_ bytes: [UInt8]) {
        _ = Foundation.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    private func next() -> ReceivedRequest? {
        guard let bytes = read(Header.size) else { return nil }
        let header = bytes.withUnsafeBytes { Header($0) }
        guard let payload = read(Int(header.length)) else { return nil }
        var request = ReceivedRequest(.read, String(decoding: payload, as: UTF8.self))
        (request.type, request.transaction) = (header.type, header.transaction)
        lock.withLock { received.append(request) }
        return request
    }

    private func read(_ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        guard count > 0 else { return bytes }
        return recv(descriptor, &bytes, count, Int32(MSG_WAITALL)) == count ? bytes : nil
    }
}

/// The answers of a daemon whose first two commits get EAGAIN. Its transactions have the number 5.
func conflictingTwice() -> @Sendable (ReceivedRequest) -> [UInt8]? {
    let ends = Counter()
    return { request in
        switch request.type {
        case 6: message(.transactionStart, "5\0")
        case 7:
            request.payload == "T\0" && ends.next() < 3
                ? message(.error, "EAGAIN\0") : message(.transactionEnd, "OK\0")
        default: message(request.type, Array("OK\0".utf8))
        }
    }
}

/// A message as a daemon sends it; `length` lies about the payload's.
func message(
    _ operation: XenStoreWire.Operation, _ payload: String, length: UInt32? = nil
) -> [UInt8] {
    message(operation.rawValue, Array(payload.utf8), length: length)
}

func message(_ type: UInt32, _ payload: [UInt8], length: UInt32? = nil) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Header.size)
    bytes.withUnsafeMutableBytes {
        guard let start = $0.baseAddress else { return }
        Header(type: type, length: length ?? UInt32(payload.count)).store(to: start)
    }
    return bytes + payload
}
