// SPDX-License-Identifier: Apache-2.0
#if TDB
    import TestSupport
    import XenStorePlugin
    import XenStoreTestKit
    import XenStoreWire

    /// What a client has asked for, in a part of the store that is its own, and what it knows of each
    /// change: which of the states that its part has gone through it may be in, and none in between.
    struct History {
        /// A request, or all of a transaction's.
        struct Change {
            var requests: [(op: Op, payload: String)]
            /// Where the log of the disk was before it was sent, and when its answer was there.
            var sent = 0
            var answered: Int?
            /// The answer was EIO: it has not happened.
            var isRefused = false
        }

        let root: String
        var changes: [Change] = []

        init(root: String) { self.root = root }

        /// The states of the client's part, the first being that before any change. What was refused
        /// changes nothing.
        func states() throws -> [[String]] {
            let twin = try Twin()
            return [twin.state(of: root)]
                + changes.map { change in
                    if !change.isRefused { twin.carryOut(change) }
                    return twin.state(of: root)
                }
        }

        /// How many changes are there at least when all of the log up to here counts.
        func certain(at position: Int) -> Int {
            (changes.lastIndex { !$0.isRefused && ($0.answered ?? .max) <= position } ?? -1) + 1
        }

        /// How many there are at most.
        func possible(at position: Int) -> Int { changes.prefix { $0.sent <= position }.count }

        /// A disk that fails may hold what it was said to have refused, until something is acknowledged
        /// again: the states of which that is so.
        func statesOfRefused(after count: Int) throws -> [[String]] {
            try changes[count...].prefix { $0.isRefused }.indices.map { last in
                let twin = try Twin()
                for (index, change) in changes[...last].enumerated() where !change.isRefused || index >= count {
                    twin.carryOut(change)
                }
                return twin.state(of: root)
            }
        }
    }

    /// A daemon that keeps everything in memory, and is asked for the same.
    struct Twin {
        let table: Caller

        init() throws {
            let storage = FailingStorage()
            storage.wantsBatches = false
            table = try EmbeddedHost(storage: storage).caller(0)
        }

        func carryOut(_ change: History.Change) {
            for (op, payload) in change.requests {
                table.client.send(op.rawValue, Array(payload.utf8))
                table.host.settle()
            }
            _ = table.client.takeMessages()
        }

        func state(of root: String) -> [String] { table.state(of: root) }
    }

    extension Caller {
        /// A part of the store, a line for each node. All of a level is asked for at once: this is done often.
        func state(of root: String) -> [String] {
            var lines: [String] = []
            var level = [root]
            while !level.isEmpty {
                for path in level {
                    for operation in [XenStoreWire.Operation.getPermissions, .read, .directory] {
                        client.send(operation.rawValue, Array("\(path)\0".utf8))
                    }
                }
                host.settle()
                let answers = client.takeMessages()
                var next: [String] = []
                for (number, path) in level.enumerated() where answers.count >= 3 * (number + 1) {
                    let (permissions, value, children) = (
                        answers[3 * number], answers[3 * number + 1], answers[3 * number + 2]
                    )
                    if permissions.isError { continue }
                    let (start, names) = (String(decoding: value.payload.prefix(20), as: UTF8.self), children.text)
                    lines.append(
                        "\(path) \(permissions.text) \(names) \(value.payload.count) \(start) \(value.payload.hashValue)"
                    )
                    next += names.split(separator: "|").map { "\(path)/\($0)" }
                }
                level = next
            }
            return lines
        }
    }
#endif
