// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// A piece of a list of children that is too long for one message.
public struct DirectoryPart: Sendable, Equatable {
    /// Changes whenever the list does.
    public var generation: [UInt8]
    /// Whole names with their NULs; one NUL more at the end of the list.
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

    /// A list that changes each time we look would keep us for ever.
    private static let restartsMax = 1000

    /// Where the next piece has to begin.
    var offset: Int { collected.count }

    /// Takes the next piece; returns the names once they are all there.
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
        // Nothing new and no end: asking again would not help.
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
