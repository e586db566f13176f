// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// Values, lists of children and requests that are longer than a ring.
    struct BulkWork: Workload {
        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] {
            let path = actor.top + "/bulk\(random.number(0...2))"
            if random.once(in: 4) {
                let names = (0..<random.number(3...9)).map { _ in "\(random.next())" }
                let padding = String(repeating: "x", count: 150)
                return names.map { .makeDirectory("\(path)/\($0)\(padding)") } + [.directory(path), .remove(path)]
            }
            return [.write(path, random.value(upTo: 3900)), .read(path)]
        }
    }

    /// So much that the journal is folded into the table because of it.
    struct FloodWork: Workload {
        func requests(for actor: Actor, _ random: inout Randomness) -> [ModelRequest] {
            (0..<random.number(100...300)).map { .write(actor.top + "/flood\($0 % 7)", random.value(upTo: 3900)) }
        }
    }
#endif
