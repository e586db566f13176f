// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// A kind of work that a client may do: some requests at a time, sent without waiting for replies.
    protocol Workload {
        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest]
    }

    extension Randomness {
        /// A value that no other write has.
        mutating func value(upTo size: Int = 30) -> [UInt8] {
            let text = Array("\(next())".utf8)
            return text + [UInt8](repeating: UInt8(ascii: "."), count: number(0...size))
        }
    }
#endif
