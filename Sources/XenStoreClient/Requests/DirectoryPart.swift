// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A piece of a list of children that is too long for one message.
public struct DirectoryPart: Sendable, Equatable {
    /// A number that changes with the list.
    public var generation: [UInt8]
    /// Whole names with their NULs. The end of the list has one more NUL.
    public var bytes: [UInt8]

    @Sendable init(payload: [UInt8]) throws(ProtocolViolation) {
        guard let end = payload.firstIndex(of: 0) else {
            throw .malformedPayload(of: .directoryPart)
        }
        generation = Array(payload[..<end])
        bytes = Array(payload[(end + 1)...])
    }
}

/// A list of children while its pieces come in.
struct DirectoryAssembly {
    private var generation: [UInt8]?
    private var collected: [UInt8] = []
    private var restarts = 0

    /// The largest number of attempts. A list that changes each time would otherwise never end.
    private static let restartsMax = 1000

    /// The offset of the next piece.
    var offset: Int { collected.count }

    /// Takes the next piece. Returns the names once the list is complete.
    mutating func take(_ part: DirectoryPart) throws(XenStoreError) -> [String]? {
        if generation != part.generation {
            let isRestart = !collected.isEmpty
            generation = part.generation
            collected = []
            if isRestart {
                restarts += 1
                guard restarts < Self.restartsMax else { throw .wire(.EAGAIN) }
                return nil
            }
        }
        collected += part.bytes
        let isWhole = collected.count <= 1 || collected.suffix(2) == [0, 0]
        // The piece has no new name and is not the end. Another request would not help.
        guard isWhole || !part.bytes.isEmpty else {
            throw .protocolViolation(.malformedPayload(of: .directoryPart))
        }
        guard isWhole else { return nil }
        do throws(ProtocolViolation) {
            return try Replies.names(of: .directoryPart, collected.dropLast())
        } catch {
            throw .protocolViolation(error)
        }
    }
}
