// SPDX-License-Identifier: Apache-2.0
#if TDB && EventChannelRing
    import TestSupport

    /// Domains that come and go: the toolstack introduces and releases them without waiting, and some die by
    /// themselves, also while no daemon is there.
    final class Lifecycle {
        private let xen: FakeXen
        private var visitors: [Visitor]
        /// The toolstack's connection. What it has sent is answered or not.
        private var tool: RawClient?
        private var sent: [(visitor: Int, step: Step, message: Message)] = []
        private var lastNumber: UInt32 = 0
        private var released = 0
        /// What dom0's kernel was told of: comings and goings by watch and path.
        private var told: [String: Int] = [:]

        private enum Step { case prepare, introduce, target, resume, release }

        init(_ xen: FakeXen, domains: ClosedRange<UInt16>) {
            self.xen = xen
            visitors = domains.map { Visitor(domain: $0) }
        }

        /// Those that are served and at work.
        var actors: [Actor] { visitors.compactMap { $0.stage == .dying ? nil : $0.actor } }

        // MARK: Work

        func connect(_ tool: RawClient) { self.tool = tool }

        /// Something happens to one of the domains.
        func work(_ random: inout Randomness) throws {
            guard let tool else { return }
            let index = random.number(0...visitors.count - 1)
            if sent.contains(where: { $0.visitor == index }) { return }
            let domain = visitors[index].domain
            let home = "/local/domain/\(domain)"
            var steps: [(Step, Message)] = []
            let target = (Step.target, Message(.setTarget, "\(domain)\01\0"))
            switch visitors[index].stage {
            case .absent, .coming:
                if visitors[index].stage == .absent {
                    try xen.create(domain)
                    visitors[index].guest = try RingGuest(domain, in: xen)
                    visitors[index].stage = .coming
                }
                let port = visitors[index].guest?.port ?? 0
                steps = [
                    (.prepare, Message(.mkdir, home + "\0")), (.prepare, Message(.setPerms, home + "\0n\(domain)\0")),
                    (.prepare, Message(.mkdir, home + "/own\0")),
                    (.introduce, Message(.introduce, "\(domain)\01\0\(port)\0")), target,
                ]
            case .introduced: steps = [target]
            case .present where random.once(in: 2): try shutDown(index)
            case .shut where random.once(in: 2):
                try xen.set(domain)
                visitors[index].stage = .resuming
                steps = [(.resume, Message(.resume, "\(domain)\0"))]
            case .present where random.once(in: 2), .shut where random.once(in: 2):
                visitors[index].before = visitors[index].stage
                visitors[index].stage = .leaving
                steps = [(.release, Message(.release, "\(domain)\0"))]
            case .present, .shut:
                die(index)
                try xen.tellOfDomains()
            case .shutting, .resuming, .leaving, .dying: break
            }
            for (step, message) in steps { send(step, message, of: index, to: tool) }
        }

        private func send(_ step: Step, _ message: Message, of index: Int, to tool: RawClient) {
            lastNumber += 1
            let message = Message(message.op, message.payload, number: lastNumber)
            sent.append((index, step, message))
            // A daemon that is just ending takes no more.
            if tool.trySend(message.bytes[...]) < message.bytes.count { self.tool = nil }
        }

        /// Takes the replies that are there.
        func pump() throws {
            while let tool, !sent.isEmpty, try !waitUntilReady([(tool.descriptor, 1)], Deadline(in: .zero)).isEmpty {
                guard let reply = try tool.receive() else {
                    self.tool = nil
                    return
                }
                let (index, step, message) = sent.removeFirst()
                guard reply.number == message.number, try Answer(reply) == .ok else {
                    throw Trouble("the toolstack: \(message) is answered \(reply)")
                }
                switch step {
                case .prepare: break
                case .introduce: introduced(index)
                case .target: present(index)
                case .resume: visitors[index].stage = .present
                case .release: gone(index)
                }
            }
        }

        private func introduced(_ index: Int) {
            visitors[index].stage = .introduced
            visitors[index].introductions += 1
        }

        private func present(_ index: Int) {
            guard let guest = visitors[index].guest else { return }
            visitors[index].stage = .present
            // Others' nodes may be read only by whose target owns them.
            visitors[index].actor = .guest(guest, [UniformWork(guest: 1), SpecialWatchWork(), ResetWork()])
        }

        /// One at a time: of several that the daemon finds at once it tells once.
        private func shutDown(_ index: Int, tells: Bool = true) throws {
            if visitors.contains(where: { $0.stage == .shutting }) { return }
            visitors[index].stage = .shutting
            visitors[index].shutdowns += 1
            try xen.set(visitors[index].domain, isShutdown: true)
            if tells { try xen.tellOfDomains() }
        }

        private func die(_ index: Int) {
            visitors[index].stage = .dying
            xen.remove(visitors[index].domain)
        }

        private func gone(_ index: Int) {
            visitors[index].stage = .absent
            visitors[index].actor = nil
            visitors[index].guest = nil
            visitors[index].releases += 1
        }

        // MARK: The daemon's death

        /// While no daemon is there, domains die and shut down.
        func daemonHasDied(_ random: inout Randomness) throws {
            while tool != nil, !sent.isEmpty { try pump() }
            tool = nil
            for index in visitors.indices {
                switch visitors[index].stage {
                case .present where random.once(in: 12), .shut where random.once(in: 12): die(index)
                case .present where random.once(in: 12): try shutDown(index, tells: false)
                default: break
                }
            }
        }

        /// Finds out how far everything has come that was not answered.
        func settle(by tool: RawClient) throws {
            sent = []
            for index in visitors.indices {
                let domain = visitors[index].domain
                let isIntroduced = try tool.ask(.isDomainIntroduced, "\(domain)\0") == .data("T\0")
                switch (visitors[index].stage, isIntroduced) {
                case (.absent, false), (.coming, false), (.introduced, true), (.present, true), (.shutting, true),
                    (.shut, true):
                    break
                case (.resuming, true):
                    guard try tool.ask(.resume, "\(domain)\0") == .ok else { throw Trouble("\(domain) can't resume") }
                    visitors[index].stage = .present
                case (.coming, true): introduced(index)
                case (.leaving, true): visitors[index].stage = visitors[index].before
                case (.leaving, false), (.dying, false): gone(index)
                case (let stage, let isIntroduced):
                    throw Trouble("domain \(domain) is \(stage), and introduced: \(isIntroduced)")
                }
                if visitors[index].stage == .absent, try tool.ask(.read, "/local/domain/\(domain)\0") != .ENOENT {
                    throw Trouble("the nodes of domain \(domain) are there, and it is gone")
                }
            }
        }

        // MARK: Events

        static let token = "domains"

        /// What dom0's kernel asks to be told of.
        static let watches: [ModelRequest] = [
            .listen("@introduceDomain", token: token, depth: 1), .listen("@releaseDomain", token: token, depth: 1),
            .listen("@releaseDomain", token: "plain", depth: nil),
            .listen("@releaseDomain/10", token: "one", depth: nil),
        ]
        static let tokens: Set = [token, "plain", "one"]

        func note(_ event: Event) {
            told["\(event.token): \(event.path)", default: 0] += 1
            for index in visitors.indices where event.path == "@releaseDomain/\(visitors[index].domain)" {
                visitors[index].heard(told["\(Self.token): \(event.path)", default: 0])
            }
        }

        /// Everything that has happened was told once.
        func checkEvents() throws {
            // One of each watch is about the watch itself.
            let names = [
                "domains: @introduceDomain", "domains: @releaseDomain", "plain: @releaseDomain",
                "one: @releaseDomain/10",
            ]
            var expected = [String: Int](uniqueKeysWithValues: names.map { ($0, 1) })
            for visitor in visitors {
                expected["domains: @introduceDomain/\(visitor.domain)"] = visitor.introductions
                expected["domains: @releaseDomain/\(visitor.domain)"] = visitor.ends
                expected["plain: @releaseDomain", default: 0] += visitor.ends
                expected["one: @releaseDomain/\(visitor.domain)"]? += visitor.ends
            }
            let wrong = Set(expected.keys).union(told.keys).sorted().compactMap { path in
                let (found, count) = (told[path, default: 0], expected[path, default: 0])
                return found == count ? nil : "\(path) was told \(found) times and not \(count)"
            }
            if !wrong.isEmpty { throw Trouble(wrong.joined(separator: "; ")) }
        }
    }
#endif
