// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// Who is there.
    extension Actor {
        /// What every client does.
        private static func usual(owner: UInt16) -> [any Workload] {
            [
                NodeWork(owner: owner), NodeWork(owner: owner), OnceWork(), OrderWork(), TransactionWork(),
                TransactionWork(), BulkWork(),
            ]
        }

        static func home(_ domain: UInt16) -> String { "/local/domain/\(domain)" }

        /// A guest, in a folder of its own.
        static func guest(_ guest: RingGuest, _ more: [any Workload]) -> Actor {
            let top = home(guest.domain) + "/own"
            let model = ModelClient(
                "domain \(guest.domain)", home: home(guest.domain), tops: [top: ["n\(guest.domain)"]])
            let actor = Actor(model, top: top, usual(owner: guest.domain) + [WatchWork(), WatchWork()] + more)
            actor.carrier = RingCarrier(guest)
            return actor
        }

        /// dom0's own kernel, whose backends write what guests watch.
        static func kernel(_ guest: RingGuest, guests: [UInt16]) -> Actor {
            var tops = ["/kernel": ["n0"]]
            for guest in guests { tops[MailWork.top(of: guest, from: 9)] = ["n\(guest)"] }
            let model = ModelClient("dom0's kernel", tops: tops)
            let actor = Actor(
                model, top: "/kernel", usual(owner: 0) + [WatchWork(), MailWork(guests: guests, sender: 9)])
            actor.carrier = RingCarrier(guest)
            return actor
        }

        /// A client of the toolstack. The first one changes what belongs to guests.
        static func socket(_ number: Int, guests: [UInt16]) -> Actor {
            let top = "/client\(number)"
            var tops = [top: ["n0"]]
            for guest in guests { tops[MailWork.top(of: guest, from: number)] = ["n\(guest)"] }
            var more: [any Workload] = [MailWork(guests: guests, sender: number)]
            if number == 0 {
                for guest in guests { tops[ChangingWork.node(of: guest)] = ["n\(guest)"] }
                more += [ChangingWork(guests: guests), QuotaWork(guests: guests)] as [any Workload]
            }
            return Actor(ModelClient("client \(number)", tops: tops), top: top, usual(owner: 0) + more)
        }
    }
#endif
