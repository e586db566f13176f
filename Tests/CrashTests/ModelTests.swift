// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// What the model takes for possible of a client whose session is lost, and what it does not.
@Suite struct ModelTests {
    private var client = ModelClient("client", tops: ["/top": ["n0"]])

    /// What the client asks for is answered so.
    private mutating func ask(_ request: ModelRequest, in transaction: UInt32 = 0, _ answer: String = "OK\0") throws {
        let sent = client.send(request, in: transaction)
        _ = try client.receive(reply: Message(sent.op, answer, number: sent.number, transaction: transaction))
    }

    /// The client has a transaction of two changes, to which it has got answers.
    private mutating func openTransaction() throws {
        try ask(.write("/top/old", [1]))
        try client.check(against: store(["old"]))
        try ask(.start("/top"), "7\0")
        for name in ["a", "b"] { try ask(.write("/top/\(name)", [1]), in: 7) }
    }

    /// The nodes of these names below `/top`.
    private func store(_ names: [String], generation: UInt64 = 1) -> StoreDump {
        var nodes = Dictionary(
            uniqueKeysWithValues: names.map {
                ("/top/\($0)", StoreDump.Node(value: [1], permissions: ["n0"], children: [], generation: 1))
            })
        nodes["/top"] = StoreDump.Node(value: [], permissions: ["n0"], children: names, generation: generation)
        return StoreDump(nodes)
    }

    /// The end and a later request have not been answered when the session is lost.
    private mutating func endAndGoOn() {
        _ = client.send(.end(commits: true), in: 7)
        _ = client.send(.write("/top/later", [1]))
    }

    @Test(arguments: [["old"], ["old", "later"], ["old", "a", "b"], ["old", "a", "b", "later"]])
    mutating func aTransactionThatWasOpenAtAKillIsDoneOrNot(found: [String]) throws {
        try openTransaction()
        client.keepSession()
        endAndGoOn()
        try client.settle(on: store(found, generation: 2))
        #expect(client.state.tree.nodes["/top"]?.children == found)
    }

    @Test(arguments: [["old", "a"], ["old", "b", "later"], ["later"], ["old", "later", "a", "b"]])
    mutating func noTransactionIsDoneInPartOrLater(found: [String]) throws {
        try openTransaction()
        client.keepSession()
        endAndGoOn()
        #expect(throws: Trouble.self) { try client.settle(on: store(found, generation: 2)) }
    }

    /// Only a daemon's death takes a transaction away.
    @Test mutating func aTransactionThatIsNotInDoubtIsDone() throws {
        try openTransaction()
        endAndGoOn()
        #expect(throws: Trouble.self) { try client.settle(on: store(["old", "later"], generation: 2)) }
    }

    @Test mutating func eitherOfTwoTransactionsMayBeLost() throws {
        for found in [["later"], ["a", "later"], ["b", "later"], ["a", "b", "later"]] {
            client = ModelClient("client", tops: ["/top": ["n0"]])
            for (number, name) in [(1, "a"), (2, "b")] as [(UInt32, String)] {
                try ask(.start("/top/\(name)"), "\(number)\0")
                try ask(.write("/top/\(name)", [1]), in: number)
            }
            client.keepSession()
            for number: UInt32 in [1, 2] { _ = client.send(.end(commits: true), in: number) }
            _ = client.send(.write("/top/later", [1]))
            try client.settle(on: store(found))
        }
    }

    /// A node that comes and goes leaves nothing but another generation of its parent, or not even that.
    @Test(arguments: [1, 2] as [UInt64])
    mutating func theModelAcceptsAnEndWithoutATrace(generation: UInt64) throws {
        try openTransaction()
        for name in ["a", "b"] { try ask(.remove("/top/\(name)"), in: 7) }
        client.keepSession()
        endAndGoOn()
        try client.settle(on: store(["old"], generation: generation))
    }
}
