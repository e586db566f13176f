// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// What has been tried.
    struct Totals: CustomStringConvertible {
        var kills = 0
        /// From a daemon's start to its first answer.
        var restarts: [Duration] = []
        private var socketAnswers = 0
        private var ringAnswers = 0
        private var events = 0

        mutating func count(sockets: [Actor], rings: [Actor]) {
            for actor in sockets { socketAnswers += actor.takeCounts().answers }
            for actor in rings {
                let counts = actor.takeCounts()
                ringAnswers += counts.answers
                events += counts.events
            }
        }

        var description: String {
            let sorted = restarts.sorted()
            return """
                \(kills) kills, \(socketAnswers) answers on sockets and \(ringAnswers) on rings checked, \(events) events; \
                first answer \(Self.milliseconds(sorted[sorted.count / 2])) ms after a start (median), \
                \(Self.milliseconds(sorted[sorted.count - 1])) ms at most
                """
        }

        static func milliseconds(_ duration: Duration) -> Int64 {
            duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000
        }
    }
#endif
