// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import TestSupport
    import Testing

    /// The whole daemon, killed at random moments of its work.
    @Suite struct KillTests {
        /// What clients know of a node: each of the values that it may have.
        private typealias Knowledge = [String: Set<String?>]

        @Test(arguments: ["none", "commit"])
        func everyAcknowledgedWriteIsThere(sync: String) throws {
            let folder = try TemporaryFolder()
            let settings = ["storage=tdb", "storage.tdb.path=\(folder.file("tdb"))", "storage.tdb.sync=\(sync)"]
            let options = settings.flatMap { ["--set", $0] }
            let seed = UInt64.random(in: 0...(.max))
            var random = Randomness(seed: seed)
            var known: Knowledge = [:]
            for round in 0..<20 {
                let daemon = try Daemon(options)
                try check(&known, daemon, "seed \(seed), round \(round)")
                try work(daemon, &known, &random)
            }
            let daemon = try Daemon(options)
            try check(&known, daemon, "seed \(seed), the end")
            #expect(try daemon.stop() == 0)
            #expect(TemporaryFolder.names(in: folder.path).sorted() == ["tdb", "tdb.lock"])
        }

        /// Has a few clients send a lot at once, and kills the daemon after it has answered some of it.
        private func work(_ daemon: Daemon, _ known: inout Knowledge, _ random: inout Randomness) throws {
            let clients = try (0..<4).map { _ in try daemon.connect() }
            let pair = try clients[0].startTransaction()
            let twin = "\(random.next())"
            for name in ["a", "b"] { _ = try clients[0].ask(.write, "/pair/\(name)\0\(twin)", in: pair) }
            known["/pair/a", default: [nil]].insert(twin)

            var work: [Work] = []
            for (number, client) in clients.enumerated() {
                work.append(Work(client, number, &random))
                for change in work[number].changes { known[change.path, default: [nil]].insert(change.value) }
                try client.send(work[number].bytes)
            }
            try clients[0].send(Message(.transactionEnd, Array("T\0".utf8), transaction: pair))
            for _ in 0..<random.number(0...work[0].changes.count) { try work[0].awaitAnswer() }
            daemon.process.send(SIGKILL)
            #expect(try daemon.process.wait() == -SIGKILL)
            for var work in work {
                while (try? work.awaitAnswer()) != nil {}
                work.tell(&known)
            }
        }

        /// What one client asks for, and how far it was answered.
        private struct Work {
            let client: RawClient
            private(set) var changes: [(path: String, value: String?)] = []
            private(set) var bytes: [UInt8] = []
            private var answered = 0

            init(_ client: RawClient, _ number: Int, _ random: inout Randomness) {
                self.client = client
                for count in 1...UInt32(random.number(1...200)) {
                    let path = "/client-\(number)/\(random.number(0...20))"
                    let value = random.once(in: 4) ? nil : "\(random.next())"
                    changes.append((path, value))
                    let payload = value.map { "\(path)\0\($0)" } ?? "\(path)\0"
                    bytes += Message(value == nil ? .rm : .write, payload, number: count).bytes
                }
            }

            mutating func awaitAnswer() throws {
                guard let reply = try client.receive() else { throw Trouble("the daemon is gone") }
                answered = max(answered, Int(reply.number))
            }

            /// What was answered has happened; what came behind it may have.
            func tell(_ known: inout Knowledge) {
                for (index, change) in changes.enumerated() {
                    if index < answered {
                        known[change.path] = [change.value]
                    } else {
                        known[change.path]?.insert(change.value)
                    }
                }
            }
        }

        /// Every node has a value that it may have; that one is known from now on.
        private func check(_ known: inout Knowledge, _ daemon: Daemon, _ moment: String) throws {
            let client = try daemon.connect()
            func value(_ path: String) throws -> String? {
                let answer = try client.ask(.read, "\(path)\0")
                return answer == .error("ENOENT") ? nil : answer.text
            }
            for (path, values) in known {
                let found = try value(path)
                #expect(values.contains(found), "\(path), \(moment)")
                known[path] = [found]
            }
            #expect(try value("/pair/a") == value("/pair/b"), "\(moment)")
        }
    }
#endif
