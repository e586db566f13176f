// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// A client at work: a model, what carries its bytes, and what it likes to do.
    final class Actor {
        var model: ModelClient
        /// Nil while it has no connection.
        var carrier: (any Carrier)?
        let workloads: [any Workload]
        /// The subtree that it works in.
        let top: String
        /// Gets events for watches that are not the model's, such as those of other clients' changes.
        var onForeignEvent: (Event) throws -> Void = { throw Trouble("\($0) came for no watch") }
        /// Tokens of those watches.
        var foreignTokens: Set<String> = []

        /// Replies and events that came over its connection, since somebody has taken the number.
        private var counts = (answers: 0, events: 0)

        private var outgoing: [UInt8] = []
        private var sent = 0
        private var incoming: [UInt8] = []

        init(_ model: ModelClient, top: String, _ workloads: [any Workload]) {
            self.model = model
            self.top = top
            self.workloads = workloads
        }

        var isQuiet: Bool { model.pending.isEmpty && isSent }
        /// Nothing waits for room.
        var isSent: Bool { sent == outgoing.count }

        func ask(_ request: ModelRequest, in transaction: UInt32 = 0) {
            outgoing += model.send(request, in: transaction).bytes
        }

        /// Begins some work. A transaction is gone on with when its start is answered.
        func work(_ random: inout Randomness, onlyReads: Bool = false) {
            let workload = onlyReads ? ReadWork() : random.any(of: workloads)
            for request in workload.requests(for: self, &random) { ask(request) }
        }

        /// Sends and receives what can be sent and received at once. Returns how many replies came.
        func pump(_ random: inout Randomness) throws -> Int {
            guard let carrier else { return 0 }
            if sent < outgoing.count {
                sent += try carrier.send(outgoing[sent...], &random)
                if sent == outgoing.count {
                    outgoing.removeAll(keepingCapacity: true)
                    sent = 0
                }
            }
            guard let bytes = try carrier.receive(&random) else {
                self.carrier = nil
                return 0
            }
            incoming += bytes
            return try takeMessages(&random)
        }

        private func takeMessages(_ random: inout Randomness) throws -> Int {
            var start = 0
            var replies = 0
            defer { incoming.removeFirst(start) }
            while let (message, length) = try Message.first(in: incoming[start...]) {
                start += length
                if message.op == .watchEvent {
                    counts.events += 1
                    let event = try Event(message)
                    if foreignTokens.contains(event.token) { try onForeignEvent(event) } else { model.receive(event) }
                    continue
                }
                replies += 1
                counts.answers += 1
                let (sent, answer) = try model.receive(reply: message)
                guard case .start(let subtree) = sent.request, let number = answer.strings.first.flatMap(UInt32.init)
                else { continue }
                for request in TransactionWork.body(below: subtree, &random) { ask(request, in: number) }
                ask(.end(commits: !random.once(in: 6)), in: number)
            }
            return replies
        }

        func takeCounts() -> (answers: Int, events: Int) {
            defer { counts = (0, 0) }
            return counts
        }

        // MARK: The daemon's death

        /// The daemon was killed: takes what it had still sent, and forgets the rest.
        func loseConnection(_ random: inout Randomness) throws {
            while carrier != nil { _ = try pump(&random) }
            beginAnew()
        }

        /// Forgets what was on its way; what it has asked for is done or not.
        func beginAnew() {
            outgoing = []
            sent = 0
            incoming = []
            model.loseSession()
            (carrier as? RingCarrier)?.beginAnew()
        }

        func keepConnection() { model.keepSession() }
    }
#endif
