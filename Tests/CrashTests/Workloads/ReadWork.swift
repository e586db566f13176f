// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// Nothing is changed: what is answered in such a turn leaves no trace in storage.
    struct ReadWork: Workload {
        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] {
            let paths = actor.model.state.tree.nodes.keys.sorted()
            return (0..<random.number(1...4)).compactMap { _ in
                guard let path = paths.randomElement(using: &random) else { return nil }
                return random.any(of: [.read(path), .directory(path), .getPermissions(path), .home(1)])
            }
        }
    }
#endif
