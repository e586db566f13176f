// SPDX-License-Identifier: Apache-2.0

/// How far the two streams of a connection have got, as a ring's indexes count them: bytes that were
/// taken from the peer, and bytes that were put for it.
public struct StreamIndexes: Equatable, Sendable {
    public var taken: UInt32
    public var put: UInt32

    public init(taken: UInt32 = 0, put: UInt32 = 0) {
        self.taken = taken
        self.put = put
    }
}
