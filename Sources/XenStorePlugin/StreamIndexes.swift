// SPDX-License-Identifier: Apache-2.0

/// The positions in the two streams of a connection, as a ring's indexes count them: the bytes taken from the peer, and
/// the bytes put for it.
public struct StreamIndexes: Equatable, Sendable {
    public var taken: UInt32
    public var put: UInt32

    public init(taken: UInt32 = 0, put: UInt32 = 0) {
        self.taken = taken
        self.put = put
    }
}
