// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// Whether a transaction can be committed after others have changed the store. It is replayed on
/// what is there now, and conflicts only if a reply would be another.
@Suite final class ConflictTests: TwoClientSuite {
    struct Case: CustomTestStringConvertible, Sendable {
        let inside: [Message]
        let outside: [Message]
        let end: Answer
        /// What a READ of `/c/x` or the like is answered in the end.
        var then: (path: String, answer: Answer)?

        init(_ inside: [Message], meanwhile outside: [Message], _ end: Answer, then: (String, Answer)? = nil) {
            self.inside = inside
            self.outside = outside
            self.end = end
            self.then = then
        }

        var testDescription: String {
            func text(_ messages: [Message]) -> String {
                messages.map { "\($0.op) \(printable($0.payload))" }.joined(separator: ", ")
            }
            return "\(text(inside)) | \(text(outside)) | \(end)"
        }
    }

    private static func read(_ path: String) -> Message { Message(.read, "\(path)\0") }
    private static func write(_ path: String, _ value: String) -> Message { Message(.write, "\(path)\0\(value)") }
    private static func mkdir(_ path: String) -> Message { Message(.mkdir, "\(path)\0") }
    private static func rm(_ path: String) -> Message { Message(.rm, "\(path)\0") }
    private static func list(_ path: String) -> Message { Message(.directory, "\(path)\0") }
    private static func part(_ path: String) -> Message { Message(.directoryPart, "\(path)\00\0") }
    private static func getPerms(_ path: String) -> Message { Message(.getPerms, "\(path)\0") }
    private static func setPerms(_ path: String, _ entry: String) -> Message {
        Message(.setPerms, "\(path)\0\(entry)\0")
    }

    // There are /c/x and /c/y with the value "old" when it starts.
    static let cases: [Case] = [
        // The table of what C xenstored does, line by line; EAGAIN only where a reply differs.
        Case([read("/c/x")], meanwhile: [write("/c/x", "new")], .EAGAIN),
        Case([read("/c/x")], meanwhile: [write("/c/x", "old")], .ok),
        Case([read("/c/x")], meanwhile: [rm("/c/x")], .EAGAIN),
        Case([read("/c/x")], meanwhile: [setPerms("/c/x", "b7")], .ok),
        Case([read("/c/x")], meanwhile: [write("/c/y", "new")], .ok),
        Case([write("/c/x", "mine")], meanwhile: [write("/c/x", "theirs")], .ok, then: ("/c/x", .data("mine"))),
        Case([mkdir("/c/n")], meanwhile: [mkdir("/c/m")], .ok, then: ("/c/n", .data(""))),
        Case([write("/c/n", "mine")], meanwhile: [write("/c/x", "new")], .ok, then: ("/c/n", .data("mine"))),
        Case([list("/c")], meanwhile: [write("/c/x", "new")], .ok),
        Case([list("/c")], meanwhile: [mkdir("/c/n")], .EAGAIN),
        Case([list("/c")], meanwhile: [rm("/c/x")], .EAGAIN),
        Case([list("/c")], meanwhile: [mkdir("/c/n"), rm("/c/n")], .ok),
        Case([read("/c/q")], meanwhile: [write("/c/q", "new")], .EAGAIN),
        Case([read("/c/q")], meanwhile: [write("/c/q", "new"), rm("/c/q")], .ok),
        Case([rm("/c/x")], meanwhile: [write("/c/x", "new")], .ok, then: ("/c/x", .ENOENT)),
        Case([rm("/c/x")], meanwhile: [rm("/c/y")], .ok, then: ("/c/x", .ENOENT)),
        Case([rm("/c/x")], meanwhile: [rm("/c/x")], .ok, then: ("/c/x", .ENOENT)),
        Case([rm("/c/x")], meanwhile: [rm("/c")], .EAGAIN),
        Case([rm("/c")], meanwhile: [write("/c/x", "new")], .ok, then: ("/c", .ENOENT)),
        Case([rm("/c")], meanwhile: [write("/c/n/m", "new")], .ok, then: ("/c/n/m", .ENOENT)),
        Case([], meanwhile: [rm("/c")], .ok),
        // Further replies.
        Case([part("/c")], meanwhile: [write("/c/x", "new")], .ok),
        Case([part("/c")], meanwhile: [mkdir("/c/n")], .EAGAIN),
        Case([part("/c")], meanwhile: [write("/c", "value")], .ok),
        Case([getPerms("/c/x")], meanwhile: [setPerms("/c/x", "b7")], .EAGAIN),
        Case([getPerms("/c/x")], meanwhile: [write("/c/x", "new")], .ok),
        Case([setPerms("/c/x", "b7")], meanwhile: [rm("/c/x")], .EAGAIN),
        Case([setPerms("/c/x", "b7")], meanwhile: [write("/c/x", "new")], .ok, then: ("/c/x", .data("new"))),
        Case([mkdir("/c/n")], meanwhile: [write("/c/n", "theirs")], .ok, then: ("/c/n", .data("theirs"))),
        Case([write("/c/n/m", "v")], meanwhile: [rm("/c")], .ok, then: ("/c/n/m", .data("v"))),
        Case([write("/c/x", "mine")], meanwhile: [rm("/c/x")], .ok, then: ("/c/x", .data("mine"))),
        // What was read from the transaction's own changes can't conflict.
        Case(
            [write("/c/x", "mine"), read("/c/x")], meanwhile: [write("/c/x", "theirs")], .ok,
            then: ("/c/x", .data("mine"))),
        Case([rm("/c"), list("/c")], meanwhile: [mkdir("/c/n")], .ok),
        Case([rm("/c"), mkdir("/c"), list("/c")], meanwhile: [mkdir("/c/n")], .ok, then: ("/c/n", .ENOENT)),
        Case([mkdir("/c/n"), list("/c")], meanwhile: [mkdir("/c/m")], .EAGAIN),
        // Read, modify, write.
        Case(
            [read("/c/x"), write("/c/x", "mine")], meanwhile: [write("/c/x", "theirs")], .EAGAIN,
            then: ("/c/x", .data("theirs"))),
        Case(
            [read("/c/x"), write("/c/y", "mine")], meanwhile: [write("/c/x", "theirs")], .EAGAIN,
            then: ("/c/y", .data("old"))),
        Case(
            [read("/c/x"), write("/c/x", "mine")], meanwhile: [write("/c/y", "theirs")], .ok,
            then: ("/c/x", .data("mine"))),
        Case(
            [rm("/c/y"), read("/c/q"), mkdir("/n")], meanwhile: [mkdir("/c/q")], .EAGAIN, then: ("/c/y", .data("old"))),
    ]

    @Test(arguments: cases) func conflictsOnlyWhereAReplyDiffers(_ test: Case) throws {
        try run(test, ending: "T\0", test.end)
        if let (path, answer) = test.then { #expect(try other.ask(.read, "\(path)\0") == answer) }
        #expect(try client.ask(.control, "check\0") == .ok)
    }

    @Test(arguments: cases) func neverConflictsWhenAborted(_ test: Case) throws {
        try run(test, ending: "F\0", .ok)
        #expect(try client.ask(.control, "check\0") == .ok)
    }

    private func run(_ test: Case, ending: String, _ end: Answer) throws {
        let transaction = try client.startTransaction()
        for request in test.inside { _ = try client.ask(request.op, bytes: request.payload, in: transaction) }
        // Something to commit: what only reads saw one moment, and does not fail.
        #expect(try client.ask(.write, "/elsewhere\0", in: transaction) == .ok)
        for request in test.outside { #expect(try other.ask(request.op, bytes: request.payload) == .ok) }
        #expect(try client.ask(.transactionEnd, ending, in: transaction) == end)
        #expect(try client.commit(transaction) == .ENOENT, "it is gone, whatever became of it")
    }

    /// A conflict tells nobody anything.
    @Test func aConflictFiresNoWatches() throws {
        let transaction = try client.startTransaction()
        _ = try client.ask(.write, "/c/y\0mine", in: transaction)
        _ = try client.ask(.read, "/c/x\0", in: transaction)
        #expect(try other.ask(.write, "/c/x\0theirs") == .ok)
        #expect(try other.ask(.watch, "/\0t\0") == .ok)
        _ = try other.allEvents()
        #expect(try client.commit(transaction) == .EAGAIN)
        #expect(try other.allEvents() == [])
    }

    /// The case both peers get wrong: two toolstacks make devices under one directory.
    @Test func letsManyMakeChildrenOfOneDirectoryAtOnce() throws {
        let clients = try (0..<20).map { _ in try daemon.connect() }
        let transactions = try clients.map { try $0.startTransaction() }
        for (number, (client, transaction)) in zip(clients, transactions).enumerated() {
            #expect(try client.ask(.write, "/vm/\(number)/name\0v", in: transaction) == .ok)
            #expect(try client.ask(.read, "/c/x\0", in: transaction) == .data("old"))
        }
        for (client, transaction) in zip(clients, transactions) { #expect(try client.commit(transaction) == .ok) }
        #expect(try client.ask(.directory, "/vm\0").strings == (0..<20).map { "\($0)" })
    }

    /// Counting up from several connections loses no step.
    @Test func isSerialisable() throws {
        let clients = try (0..<4).map { _ in try daemon.connect() }
        _ = try client.ask(.write, "/count\00")
        var commits = 0
        for round in 0..<25 {
            var open = try clients.map { ($0, try $0.startTransaction()) }
            for (one, transaction) in open {
                let count = try #require(Int(try one.ask(.read, "/count\0", in: transaction).text))
                #expect(try one.ask(.write, "/count\0\(count + 1)", in: transaction) == .ok)
            }
            if round % 2 == 1 { open.reverse() }
            let answers = try open.map { try $0.0.commit($0.1) }
            #expect(answers == [.ok, .EAGAIN, .EAGAIN, .EAGAIN])
            commits += answers.count { $0 == .ok }
        }
        #expect(try client.ask(.read, "/count\0") == .data("\(commits)"))
    }
}
