// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// A domain that comes and goes, again and again by the same number.
    struct Visitor {
        enum Stage { case absent, coming, introduced, present, shutting, shut, resuming, leaving, dying }

        let domain: UInt16
        var stage = Stage.absent
        /// What it was before it was to leave.
        var before = Stage.present
        var guest: RingGuest?
        var actor: Actor?
        var introductions = 0
        var releases = 0
        var shutdowns = 0

        init(domain: UInt16) { self.domain = domain }

        /// How often somebody is to be told that it has ended or shut down.
        var ends: Int { releases + shutdowns }

        /// Somebody was told so often of an end of it. The last of them may be long over: only who knows of all
        /// knows that it is shut now.
        mutating func heard(_ count: Int) {
            if stage == .shutting, count == ends { stage = .shut }
        }
    }
#endif
