// SPDX-License-Identifier: Apache-2.0
#if EventChannelRing
    import TestSupport
    import Testing

    /// The most that one request of a guest can cost with the default quotas.
    struct Attack: CustomTestStringConvertible, Sendable {
        let testDescription: String
        /// Makes all ready and returns the request, for the guest and the toolstack.
        let prepare: @Sendable (RingGuest, RawClient) throws -> Message

        /// A path with as many levels as a guest may own nodes.
        static let deep = String(repeating: "d/", count: 980) + "d"

        static let all = [
            Attack(testDescription: "MKDIR of the deepest path") { _, _ in
                Message(.mkdir, Array("\(deep)\0".utf8), number: 1)
            },
            Attack(testDescription: "RM of the deepest path") { guest, _ in
                try guest.expectOK(.mkdir, "\(deep)\0")
                return Message(.rm, Array("d\0".utf8), number: 1)
            },
            Attack(testDescription: "RM of the widest directory") { guest, _ in
                for number in 0..<980 { try guest.expectOK(.mkdir, "w/\(number)\0") }
                return Message(.rm, Array("w\0".utf8), number: 1)
            },
            Attack(testDescription: "RM of a node each of whose descendants is watched") { guest, _ in
                try guest.expectOK(.mkdir, "\(deep)\0")
                for level in 0..<120 {
                    let path = String(repeating: "d/", count: 860 + level) + "d"
                    try guest.expectOK(.watch, "\(path)\0t\0")
                }
                return Message(.rm, Array("d\0".utf8), number: 1)
            },
            Attack(testDescription: "END of deep nodes that come and go") { guest, _ in
                let transaction = try guest.start()
                for _ in 0..<3 {
                    try guest.expectOK(.mkdir, "\(deep)\0", in: transaction)
                    try guest.expectOK(.rm, "d\0", in: transaction)
                }
                return Message(.transactionEnd, Array("T\0".utf8), number: 1, transaction: transaction)
            },
            Attack(testDescription: "END of as many requests as there may be") { guest, _ in
                let transaction = try guest.start()
                for number in 0..<900 { try guest.expectOK(.write, "w/\(number)\0v", in: transaction) }
                return Message(.transactionEnd, Array("T\0".utf8), number: 1, transaction: transaction)
            },
            Attack(testDescription: "END that fails, since the ground has moved") { guest, tool in
                let home = "/local/domain/\(guest.domain)"
                try guest.expectOK(.mkdir, "\(deep)\0")
                let transaction = try guest.start()
                for _ in 0..<3 {
                    try guest.expectOK(.rm, "d\0", in: transaction)
                    try guest.expectOK(.mkdir, "\(deep)\0", in: transaction)
                }
                _ = try guest.ask(.read, "ground\0", in: transaction)
                _ = try tool.ask(.write, "\(home)/ground\0")
                return Message(.transactionEnd, Array("T\0".utf8), number: 1, transaction: transaction)
            },
            Attack(testDescription: "END over which others have written much") { guest, tool in
                let transaction = try guest.start()
                for number in 0..<300 { _ = try tool.ask(.write, "/much/\(number)\0v") }
                return Message(.transactionEnd, Array("F\0".utf8), number: 1, transaction: transaction)
            },
        ]
    }

    extension RingGuest {
        func expectOK(_ op: Op, _ payload: String, in transaction: UInt32 = 0) throws {
            let answer = try ask(op, payload, in: transaction)
            guard answer == .ok else { throw Trouble("\(op) \(payload.prefix(40)) of domain \(domain): \(answer)") }
        }

        func start() throws -> UInt32 {
            guard let number = UInt32(try ask(.transactionStart, "\0").text.dropLast()) else {
                throw Trouble("no transaction")
            }
            return number
        }
    }
#endif
