// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// Nodes come, change and go, in a small tree of three levels.
    struct NodeWork: Workload {
        /// Who owns the nodes.
        let owner: UInt16

        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] {
            (0..<random.number(1...6)).map { _ in request(below: actor.top + "/nodes", &random) }
        }

        private func request(below top: String, _ random: inout Randomness) -> ModelRequest {
            let names = (0..<random.number(1...3)).map { _ in "/\(random.number(0...3))" }
            let path = top + names.joined()
            return switch random.number(0...9) {
            case 0...3: .write(path, random.value())
            case 4: .makeDirectory(path)
            case 5: .remove(path)
            case 6: .setPermissions(path, permissions(&random))
            case 7: .read(path)
            case 8: .getPermissions(path)
            default: .directory(path)
            }
        }

        /// Domains that are always there, as entries for others may go away.
        private func permissions(_ random: inout Randomness) -> [String] {
            let others = (0..<random.number(0...3)).map { _ in
                random.any(of: ["n", "r", "w", "b"]) + "\(random.number(0...3))"
            }
            return [random.any(of: ["n", "r", "w", "b"]) + "\(owner)"] + others
        }
    }

    /// A node with a child goes in two steps: the second time the first of them would be answered ENOENT.
    struct OnceWork: Workload {
        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] {
            let parent = actor.top + "/once\(random.number(0...1))"
            return [
                .write(parent + "/child", random.value()), .remove(parent + "/child"), .remove(parent),
                .remove(parent + "/child"),
            ]
        }
    }

    /// New nodes below one parent, the oldest of which go: the order of the children tells what happened when.
    struct OrderWork: Workload {
        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] {
            let parent = actor.top + "/order"
            var requests: [ModelRequest] = (0..<random.number(1...5)).map { _ in
                .makeDirectory(parent + "/\(random.number(0...99_999))")
            }
            let children = actor.model.state.tree.nodes[parent]?.children ?? []
            for name in children.dropLast(random.number(5...12)) { requests.append(.remove("\(parent)/\(name)")) }
            if let name = children.last {
                // Goes to the end of the list, also if it was in the middle of it.
                requests += [.remove("\(parent)/\(name)"), .makeDirectory("\(parent)/\(name)")]
            }
            return requests + [.directory(parent)]
        }
    }
#endif
