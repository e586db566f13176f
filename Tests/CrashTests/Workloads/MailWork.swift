// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// The toolstack makes nodes that a guest watches: of each one that is made the guest hears once.
    struct MailWork: Workload {
        let guests: [UInt16]
        let sender: Int

        static let token = "mail"
        static func top(of guest: UInt16, from sender: Int) -> String {
            "/local/domain/\(guest)/mail/\(sender)"
        }

        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] {
            let box = Self.top(of: random.any(of: guests), from: sender) + "/box"
            let count = actor.model.state.tree.nodes[box]?.children.count ?? 0
            if count > 30 { return [.remove(box)] }
            return (0..<random.number(1...3)).map { _ in .write("\(box)/\(random.next())", random.value()) }
        }
    }

    /// A large node of a guest's that changes under its eyes: it must never read a mixture.
    struct ChangingWork: Workload {
        let guests: [UInt16]

        static func node(of guest: UInt16) -> String { "/local/domain/\(guest)/changing" }

        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] {
            let byte = UInt8(random.number(0x20...0x7e))
            let value = [UInt8](repeating: byte, count: random.number(1000...3500))
            return [.write(Self.node(of: random.any(of: guests)), value)]
        }
    }

    /// The guest's side of it.
    struct UniformWork: Workload {
        let guest: UInt16

        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] {
            [ModelRequest](repeating: .readUniform(ChangingWork.node(of: guest)), count: random.number(1...3))
        }
    }

    /// Limits that are set at run time. No client comes near them.
    struct QuotaWork: Workload {
        let guests: [UInt16]

        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] {
            let name = random.any(of: ["nodes", "watches", "transactions"])
            return [.setQuota(random.any(of: guests), name, UInt32(random.number(50_000...90_000)))]
        }
    }
#endif
