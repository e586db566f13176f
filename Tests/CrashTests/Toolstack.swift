// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    extension RawClient {
        /// Asks for what must be answered OK.
        func order(_ op: Op, _ payload: String) throws {
            let answer = try ask(op, payload)
            guard answer == .ok else { throw Trouble("\(op) \(printable(Array(payload.utf8))) is answered \(answer)") }
        }
    }

    extension FakeXen {
        /// Makes a domain, and has the toolstack give it a home and introduce it.
        func introduce(_ domain: UInt16, by tool: RawClient) throws -> RingGuest {
            try create(domain)
            let guest = try RingGuest(domain, in: self)
            let home = Actor.home(domain)
            try tool.order(.mkdir, home + "\0")
            try tool.order(.setPerms, home + "\0n\(domain)\0")
            try tool.order(.introduce, "\(domain)\01\0\(guest.port)\0")
            return guest
        }
    }
#endif
