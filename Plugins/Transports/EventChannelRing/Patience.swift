// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import XenStoreKernel

    /// How long a full ring is left alone: twice as long each time that nothing has happened, so that what a
    /// reader is made to wait is no more than what it has itself let the daemon wait.
    struct Patience: Equatable {
        private var milliseconds: UInt64 = 1

        private static let longest: UInt64 = 1024

        var longer: Patience { Patience(milliseconds: min(milliseconds * 2, Self.longest)) }

        /// Moments fall together, so that many rings that are left alone wake the daemon a few times a second.
        func end(from now: Moment) -> Moment {
            let grain = milliseconds * 250_000
            return Moment(nanoseconds: (now.nanoseconds / grain + 5) * grain)
        }

        init() {}
        private init(milliseconds: UInt64) { self.milliseconds = milliseconds }
    }
#endif
