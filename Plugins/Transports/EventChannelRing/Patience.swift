// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import XenStorePlugin

    /// How long the daemon waits before it looks at a full ring again. The time doubles each time that nothing has
    /// happened, so a reader never waits longer than it has let the daemon wait.
    struct Patience: Equatable {
        private var milliseconds: UInt64 = 1

        private static let longest: UInt64 = 1024

        var longer: Patience { Patience(milliseconds: min(milliseconds * 2, Self.longest)) }

        /// The end of the wait, rounded up. Many waiting rings then wake the daemon only a few times a second.
        func end(from now: Moment) -> Moment {
            let grain = milliseconds * 250_000
            return Moment(nanoseconds: (now.nanoseconds / grain + 5) * grain)
        }

        init() {}
        private init(milliseconds: UInt64) { self.milliseconds = milliseconds }
    }
#endif
