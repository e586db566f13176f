// SPDX-License-Identifier: Apache-2.0
import TestSupport

/// Our daemon and Debian's, with the same clients each, who send the same.
final class Pair {
    /// Where the two have parted.
    struct Divergence: Error, CustomStringConvertible {
        let description: String
    }

    private let daemon: Daemon
    private let peer: CDaemon
    private let clients: [(ours: RawClient, theirs: RawClient)]

    init(clients count: Int) throws {
        daemon = try Daemon()
        peer = try CDaemon()
        clients = try (0..<count).map { [daemon, peer] _ in (try daemon.connect(), try peer.connect()) }
    }

    /// What both answer, as far as it can be compared.
    func answers(to request: Message, from client: Int) throws -> (ours: Answer, theirs: Answer) {
        let (ours, theirs) = clients[client]
        return (
            comparable(try ours.ask(request.op, bytes: request.payload, in: request.transaction), request.op),
            comparable(try theirs.ask(request.op, bytes: request.payload, in: request.transaction), request.op)
        )
    }

    /// Sends a request to both and throws if they answer it differently, or tell anyone of other
    /// changes, or in another order.
    @discardableResult
    func compare(_ request: Message, from client: Int) throws -> Answer {
        let (ours, theirs) = try answers(to: request, from: client)
        guard isAlike(request, ours, theirs) else { throw divergence("\(request)", "\(ours)", "\(theirs)") }
        try compareEvents(after: "\(request)")
        return ours
    }

    private func compareEvents(after what: String, inOrder: Bool = true) throws {
        for (number, (ours, theirs)) in clients.enumerated() {
            let (told, toldByPeer) = (try ours.allEvents(), try theirs.allEvents())
            guard
                inOrder
                    ? told == toldByPeer : told.map(\.description).sorted() == toldByPeer.map(\.description).sorted()
            else {
                throw divergence("events for client \(number) after \(what)", "\(told)", "\(toldByPeer)")
            }
        }
    }

    /// A transaction of one client, with what others do before its end.
    func compareTransaction(_ inside: [Message], meanwhile outside: [Message], ending: String, from client: Int) throws
    {
        let (ours, theirs) = clients[client]
        let numbers = try (ours: ours.startTransaction(), theirs: theirs.startTransaction())
        var answers: [Answer] = []
        for request in inside {
            let answer = comparable(try ours.ask(request.op, bytes: request.payload, in: numbers.ours), request.op)
            let other = comparable(try theirs.ask(request.op, bytes: request.payload, in: numbers.theirs), request.op)
            guard isAlike(request, answer, other) else {
                throw divergence("\(request) in a transaction", "\(answer)", "\(other)")
            }
            answers.append(answer)
        }
        try compareEvents(after: "requests in a transaction")
        for request in outside { try compare(request, from: (client + 1) % clients.count) }
        let end = try ours.ask(.transactionEnd, ending, in: numbers.ours)
        let otherEnd = try theirs.ask(.transactionEnd, ending, in: numbers.theirs)
        switch (end, otherEnd) {
        case (.ok, .EAGAIN): try retry(inside, theirs, expecting: answers)
        case (.EAGAIN, .EAGAIN), (.ok, .ok): break
        default: throw divergence("the end of a transaction of \(inside)", "\(end)", "\(otherEnd)")
        }
        // Events come in the order in which nodes were first touched. C xenstored touches ancestors when
        // it explains why a node is missing, and a removed tree from the top; we don't.
        let inOrder = answers.allSatisfy { !$0.isError } && !inside.contains { $0.op == .rm }
        try compareEvents(after: "the end of a transaction of \(inside)", inOrder: inOrder)
    }

    /// C xenstored sees a conflict where we see none. Its client tries again; if we were right it
    /// gets the very answers we gave. What has changed nothing saw one moment: there is nothing to try.
    private func retry(_ requests: [Message], _ client: RawClient, expecting answers: [Answer]) throws {
        let changers = zip(requests, answers).filter { [.write, .setPerms, .mkdir, .rm].contains($0.op) && $1 == .ok }
        if changers.isEmpty { return }
        // MKDIR of what is there and RM of what is not change nothing, and the answers do not tell.
        let isKnownToChange = changers.contains { [.write, .setPerms].contains($0.0.op) }
        let number = try client.startTransaction()
        for (request, expected) in zip(requests, answers) {
            let answer = comparable(try client.ask(request.op, bytes: request.payload, in: number), request.op)
            guard !isKnownToChange || isAlike(request, expected, answer) else {
                throw divergence("\(request) in a transaction that we committed", "\(expected)", "\(answer)")
            }
        }
        let end = try client.commit(number)
        guard end == .ok else { throw divergence("the end of a transaction that was retried", "OK", "\(end)") }
    }

    /// The whole tree, as the two have it.
    func compareTrees() throws {
        var folders = ["/"]
        while let folder = folders.popLast() {
            try compare(Message(.read, "\(folder)\0"), from: 0)
            try compare(Message(.getPerms, "\(folder)\0"), from: 0)
            let names = try compare(Message(.directory, "\(folder)\0"), from: 0).strings
            folders += names.map { folder == "/" ? "/\($0)" : "\(folder)/\($0)" }
        }
    }

    private func isAlike(_ request: Message, _ ours: Answer, _ theirs: Answer) -> Bool {
        ours == theirs || KnownDifference.explains(request, ours, theirs)
    }

    /// Each counts generations its own way.
    private func comparable(_ answer: Answer, _ op: Op) -> Answer {
        guard op == .directoryPart, case .data(let bytes) = answer, let end = bytes.firstIndex(of: 0) else {
            return answer
        }
        return .data(Array(bytes[end...]))
    }

    private func divergence(_ of: String, _ ours: String, _ theirs: String) -> Divergence {
        Divergence(description: "\(of): we say \(ours), C xenstored \(theirs)")
    }
}
