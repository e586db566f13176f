// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// Watches come and go, and are set twice; and nodes below watched ones come and go.
    struct WatchWork: Workload {
        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] {
            let folder = actor.top + "/seen"
            let token = "token\(random.number(0...2))"
            switch random.number(0...9) {
            case 0: return [.watch(folder, token: token), .watch(folder, token: token)]
            case 1: return [.unwatch(folder, token: token), .unwatch(folder, token: token)]
            case 2: return [.watch("\(folder)/\(random.number(0...3))", token: token)]
            case 3: return deep(folder, &random)
            default:
                // A path of its own each time: of equal events one may stand for all.
                let path = "\(folder)/\(random.next())"
                let children = actor.model.state.tree.nodes[folder]?.children ?? []
                let old = children.dropLast(4).map { ModelRequest.remove("\(folder)/\($0)") }
                return [.write(path, random.value()), .setPermissions(path, permissions(actor))] + old
            }
        }

        /// Only some of the levels are watched.
        private func deep(_ folder: String, _ random: inout Randomness) -> [ModelRequest] {
            let depth = random.number(0...3)
            let top = "\(folder)/\(random.next())"
            return [
                .watch(folder, token: "depth\(depth)", depth: depth), .write(top + "/a/b/c", random.value()),
                .write(top + "/a", random.value()), .remove(top),
            ] + (random.once(in: 2) ? [.unwatch(folder, token: "depth\(depth)")] : [])
        }

        private func permissions(_ actor: Actor) -> [String] {
            [actor.model.state.tree.nodes[actor.top]?.permissions.first ?? "n0", "r1"]
        }
    }

    /// Watches that are never told of anything but themselves: a guest may not know who comes, and at depth 0
    /// there is nothing to be told of who goes.
    struct SpecialWatchWork: Workload {
        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] {
            let (path, depth) = random.any(of: [
                ("@introduceDomain", nil), ("@introduceDomain/10", 1), ("@releaseDomain", 0),
            ])
            return [
                random.once(in: 2)
                    ? .watch(path, token: "special", depth: depth) : .unwatch(path, token: "special")
            ]
        }
    }

    /// All watches and transactions are dropped at once.
    struct ResetWork: Workload {
        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] { [.resetWatches] }
    }
#endif
