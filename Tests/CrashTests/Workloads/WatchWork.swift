// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// Watches come and go, and are set twice; and nodes below watched ones come and go.
    struct WatchWork: Workload {
        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] {
            let folder = actor.top + "/seen"
            let token = "token\(random.number(0...2))"
            switch random.number(0...7) {
            case 0: return [.watch(folder, token: token), .watch(folder, token: token)]
            case 1: return [.unwatch(folder, token: token), .unwatch(folder, token: token)]
            case 2: return [.watch("\(folder)/\(random.number(0...3))", token: token)]
            default:
                // A path of its own each time: of equal events one may stand for all.
                let path = "\(folder)/\(random.next())"
                let children = actor.model.state.tree.nodes[folder]?.children ?? []
                let old = children.dropLast(4).map { ModelRequest.remove("\(folder)/\($0)") }
                return [.write(path, random.value()), .setPermissions(path, permissions(actor))] + old
            }
        }

        private func permissions(_ actor: Actor) -> [String] {
            [actor.model.state.tree.nodes[actor.top]?.permissions.first ?? "n0", "r1"]
        }
    }
#endif
