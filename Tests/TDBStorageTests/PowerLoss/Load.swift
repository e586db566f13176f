// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import TestSupport
    import Testing

    /// The built daemon at work on a disk that keeps a log, and what its clients know.
    final class Load {
        // It goes before the disk does, which has its files.
        private(set) var daemon: Daemon
        let disk: FaultyDisk
        var histories: [History]
        /// Parts of the log in which a file was missing that somebody else had removed.
        private(set) var gaps: [Range<Int>] = []
        private var clients: [RawClient]
        private var random: Randomness

        static let options = ["storage=tdb", "storage.tdb.hash-size=31", "storage.tdb.outlives-boot=true"]

        init(
            _ folder: TemporaryFolder, sync: String, seed: UInt64, settings: [String] = [],
            _ prepare: (FaultyDisk) -> Void = { _ in }
        ) throws {
            disk = try FaultyDisk(over: folder, room: 256 << 20)
            prepare(disk)
            let own = ["storage.tdb.path=\(folder.file("store"))", "storage.tdb.sync=\(sync)"]
            daemon = try Daemon(
                (Self.options + own + settings).flatMap { ["--set", $0] }, environment: disk.environment())
            clients = []
            histories = (0..<3).map { History(root: "/client-\($0)") }
            random = Randomness(seed: seed)
            for _ in histories { clients.append(try daemon.connect()) }
        }

        /// Has the clients change their parts so many times, and while the table is brought up to date so many
        /// times.
        func run(folds: Int, rounds: Int) throws {
            for _ in 0..<folds {
                for _ in 0..<rounds / folds { try change() }
                try awaitTable()
                // Now what is added is added while the table changes.
                for _ in 0..<3 { try change() }
            }
        }

        private func change() throws {
            if random.once(in: 12) {
                try changeMuch(random.number(0...2))
            } else if random.once(in: 8) {
                try ask(random.number(0...2), inTransaction: (0..<random.number(2...6)).map { _ in request() })
            } else {
                try askAll()
            }
        }

        /// Waits until the table begins to change.
        func awaitTable() throws {
            look()
            let before = changes
            try wait("the table changes") { changes > before }
        }

        /// Waits until the table has been changed so often, whether that works at once or not.
        func awaitFold(_ count: Int) throws { try wait("the table has changed") { countFolds() >= count } }

        private func wait(_ what: String, _ isSo: () -> Bool) throws {
            let deadline = Deadline()
            while true {
                look()
                if isSo() { return }
                guard try disk.awaitEntry(deadline) else {
                    throw Trouble("not in time: \(what); \(daemon.log)")
                }
            }
        }

        /// How often a table has been changed: the marker of a transaction is four bytes, set and taken back.
        func countFolds() -> Int {
            look()
            return marks / 2
        }

        private func look() {
            for entry in disk.log(from: looked).entries {
                if entry.kind == .made && entry.names[0] == "store.new"
                    || entry.kind == .there && entry.names[0] == "store"
                {
                    tables.insert(entry.file)
                }
                if entry.kind == .written, tables.contains(entry.file) {
                    changes += 1
                    // Its last bytes count: a write may be cut short.
                    if entry.size <= 4, (entry.offset + entry.size) % 4 == 0 { marks += 1 }
                }
                looked = entry.end
            }
        }

        private var looked = 0
        private var tables: Set<Int> = []
        private var changes = 0
        private var marks = 0

        /// Somebody removes a file in the middle of a commit; it is soon there again, and safely so.
        func lose(_ name: String) throws {
            let before = disk.position
            disk.fail(1, of: [.written], on: "journal", .removal(of: name))
            try ask(0, inTransaction: [(.write, "/x\0\(random.next())")])
            if disk.log(from: before).entries.contains(where: { $0.kind == .unlinked && $0.names == [name] }) {
                try wait("\(name) is written again") {
                    let entries = disk.log(from: before).entries
                    let renamed = entries.firstIndex { $0.kind == .renamed && $0.names.last == name }
                    return renamed.map { entries[$0...].contains { $0.kind == .synced && $0.file == 0 } } ?? false
                }
            }
            try ask(0, inTransaction: [(.write, "/x\0\(random.next())")])
            gaps.append(before..<disk.position)
        }

        func end() throws { #expect(try daemon.stop() == 0) }

        // MARK: Requests

        /// A request of a client's, with its path below the client's part.
        private func request() -> (Op, String) {
            let path = random.any(of: ["/a", "/a/b", "/a/b/c", "/d", "/d/e", "/f", "/g/h", "/g/i", "/g"])
            switch random.number(0...9) {
            case 0: return (.rm, "\(path)\0")
            case 1: return (.mkdir, "\(path)\0")
            case 2: return (.setPerms, "\(path)\0n\(random.number(0...9))\0r\(random.number(1...9))\0")
            default:
                let value = String(repeating: "\(random.next())", count: random.any(of: [0, 1, 1, 1, 5, 30]))
                return (.write, "\(path)\0\(value)")
            }
        }

        /// A journal's worth of large values, now and then.
        private func changeMuch(_ client: Int) throws {
            let value = String(repeating: "\(random.next())", count: 190)
            try ask(client, inTransaction: (0..<40).map { (.write, "/big/\($0)\0\(value.prefix(3800))") })
        }

        /// So much that the table is brought up to date at once.
        func changeMuch(_ client: Int, bytes: Int) throws {
            let value = String(repeating: "v", count: 3800)
            for _ in 0..<bytes / 3800 / 40 + 1 {
                try ask(client, inTransaction: (0..<40).map { (.write, "/big/\($0)\0\(value)") })
            }
        }

        /// Each client sends a few requests before any answer is waited for.
        private func askAll() throws {
            var waiting: [(client: Int, change: Int, message: Message)] = []
            for client in clients.indices {
                for number in 0..<random.number(0...5) {
                    let (op, payload) = request()
                    let root = histories[client].root
                    let message = Message(op, root + payload, number: UInt32(1000 + number))
                    histories[client].changes.append(.init(requests: [(op, root + payload)], sent: disk.position))
                    try clients[client].send(message)
                    waiting.append((client, histories[client].changes.count - 1, message))
                }
            }
            for (client, change, message) in waiting {
                let answer = try clients[client].answer(to: message)
                histories[client].changes[change].answered = disk.position
                histories[client].changes[change].isRefused = answer == .EIO
            }
        }

        /// One change that is all of these.
        @discardableResult
        func ask(_ client: Int, inTransaction requests: [(Op, String)]) throws -> Answer {
            let requests = requests.map { (op: $0.0, payload: histories[client].root + $0.1) }
            var change = History.Change(requests: requests)
            let number = requests.count > 1 ? try clients[client].startTransaction() : 0
            var last = Answer.ok
            for (op, payload) in requests {
                change.sent = disk.position
                last = try clients[client].ask(op, payload, in: number)
            }
            if number != 0 {
                change.sent = disk.position
                last = try clients[client].commit(number)
            }
            change.answered = disk.position
            change.isRefused = last == .EIO
            histories[client].changes.append(change)
            return last
        }
    }
#endif
