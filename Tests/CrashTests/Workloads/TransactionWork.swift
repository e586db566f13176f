// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// Transactions, each in a subtree that nothing else touches, so that only a daemon's death can take
    /// them back.
    struct TransactionWork: Workload {
        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] {
            let free = ["/transaction0", "/transaction1"].map { actor.top + $0 }.filter { subtree in
                !actor.model.state.transactions.values.contains { $0.subtree == subtree }
                    && !actor.model.pending.contains {
                        if case .start(subtree) = $0.request { true } else { false }
                    }
            }
            return free.prefix(1).map { .start($0) }
        }

        /// What is done in it: several nodes get the same value, and some go.
        static func body(below subtree: String, _ random: inout Randomness) -> [ModelRequest] {
            let value = random.value()
            var requests: [ModelRequest] = []
            for _ in 0..<random.number(1...5) {
                let path = subtree + "/\(random.number(0...3))"
                switch random.number(0...5) {
                case 0: requests.append(.remove(path))
                case 1: requests.append(.directory(subtree))
                case 2: requests.append(.read(path))
                default: requests.append(.write(path, value))
                }
            }
            return requests
        }
    }
#endif
