// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// TRANSACTION_START, TRANSACTION_END, and what is seen in between.
@Suite final class TransactionTests: TwoClientSuite {
    // MARK: Numbers

    @Test func countsFromOneForEachConnection() throws {
        for number in 1...5 { #expect(try client.ask(.transactionStart, "\0") == .data("\(number)\0")) }
        #expect(try other.ask(.transactionStart, "\0") == .data("1\0"))
        #expect(try client.abort(2) == .ok)
        #expect(try client.ask(.transactionStart, "\0") == .data("6\0"))
    }

    @Test func doesNotNest() throws {
        let transaction = try client.startTransaction()
        #expect(try client.ask(.transactionStart, "\0", in: transaction) == .EBUSY)
        #expect(try client.ask(.transactionStart, "\0", in: 99) == .ENOENT)
        #expect(try client.commit(transaction) == .ok)
    }

    @Test(arguments: ["T\0", "F\0"]) func endsOnce(payload: String) throws {
        #expect(try client.ask(.transactionEnd, payload) == .ENOENT)
        #expect(try client.ask(.transactionEnd, payload, in: 1) == .ENOENT)
        let transaction = try client.startTransaction()
        #expect(try client.ask(.transactionEnd, payload, in: transaction) == .ok)
        #expect(try client.ask(.transactionEnd, payload, in: transaction) == .ENOENT)
        #expect(try client.ask(.read, "/c\0", in: transaction) == .ENOENT)
    }

    @Test(arguments: ["", "T", "\0", "t\0", "X\0", "TF\0", "T\0T\0", "T\0junk", "1\0"])
    func staysOpenAfterABadEnd(payload: String) throws {
        let transaction = try client.startTransaction()
        _ = try client.ask(.write, "/c/x\0new", in: transaction)
        #expect(try client.ask(.transactionEnd, payload, in: transaction) == .EINVAL)
        #expect(try client.ask(.transactionEnd, payload) == .EINVAL)
        #expect(try client.commit(transaction) == .ok)
        #expect(try client.ask(.read, "/c/x\0") == .data("new"))
    }

    // MARK: What is seen

    @Test func keepsItsChangesToItself() throws {
        let transaction = try client.startTransaction()
        #expect(try client.ask(.write, "/c/x\0new", in: transaction) == .ok)
        #expect(try client.ask(.write, "/d/e\0v", in: transaction) == .ok)
        #expect(try client.ask(.rm, "/c/y\0", in: transaction) == .ok)
        #expect(try client.ask(.setPerms, "/c\0b7\0", in: transaction) == .ok)
        #expect(try client.ask(.read, "/c/x\0", in: transaction) == .data("new"))
        #expect(try client.ask(.directory, "/c\0", in: transaction) == .data("x\0"))
        #expect(try client.ask(.directory, "/\0", in: transaction) == .data("tool\0c\0d\0"))
        #expect(try client.ask(.getPerms, "/c\0", in: transaction) == .data("b7\0"))
        #expect(try client.ask(.read, "/c/y\0", in: transaction) == .ENOENT)
        for one in [client, other] {
            #expect(try one.ask(.read, "/c/x\0") == .data("old"))
            #expect(try one.ask(.directory, "/c\0") == .data("x\0y\0"))
            #expect(try one.ask(.directory, "/\0") == .data("tool\0c\0"))
            #expect(try one.ask(.getPerms, "/c\0") == .data("n0\0"))
        }
        #expect(try client.commit(transaction) == .ok)
        #expect(try other.ask(.read, "/c/x\0") == .data("new"))
        #expect(try other.ask(.directory, "/c\0") == .data("x\0"))
        #expect(try other.ask(.directory, "/\0") == .data("tool\0c\0d\0"))
        #expect(try other.ask(.read, "/d/e\0") == .data("v"))
        #expect(try other.ask(.getPerms, "/c\0") == .data("b7\0"))
    }

    /// A transaction sees the store as it was when it started.
    @Test func seesNoChangesOfOthersMeanwhile() throws {
        let transaction = try client.startTransaction()
        for (op, payload) in [
            (Op.write, "/c/x\0new"), (.rm, "/c/y\0"), (.write, "/c/z\0v"), (.write, "/d\0v"), (.setPerms, "/c\0b7\0"),
        ] { #expect(try other.ask(op, payload) == .ok) }
        #expect(try client.ask(.read, "/c/x\0", in: transaction) == .data("old"))
        #expect(try client.ask(.read, "/c/y\0", in: transaction) == .data("old"))
        #expect(try client.ask(.directory, "/c\0", in: transaction) == .data("x\0y\0"))
        #expect(try client.ask(.read, "/c/z\0", in: transaction) == .ENOENT)
        #expect(try client.ask(.read, "/d\0", in: transaction) == .ENOENT)
        #expect(try client.ask(.getPerms, "/c\0", in: transaction) == .data("n0\0"))
        #expect(try client.ask(.directory, "/\0", in: transaction) == .data("tool\0c\0"))
        #expect(try client.abort(transaction) == .ok)
    }

    @Test func tellsSeveralOfOneConnectionApart() throws {
        let first = try client.startTransaction()
        let second = try client.startTransaction()
        #expect(try client.ask(.write, "/c/x\01", in: first) == .ok)
        #expect(try client.ask(.write, "/c/y\02", in: second) == .ok)
        #expect(try client.ask(.read, "/c/x\0", in: second) == .data("old"))
        #expect(try client.commit(second) == .ok)
        #expect(try client.ask(.read, "/c/y\0", in: first) == .data("old"))
        #expect(try client.commit(first) == .EAGAIN, "it has read what the second one has changed")
        #expect(try client.ask(.read, "/c/x\0") == .data("old"))
        #expect(try client.ask(.read, "/c/y\0") == .data("2"))
    }

    @Test func doesNothingWhenAborted() throws {
        let transaction = try client.startTransaction()
        for (op, payload) in [
            (Op.write, "/c/x\0new"), (.rm, "/c/y\0"), (.write, "/d/e/f\0v"), (.setPerms, "/c\0b7\0"), (.mkdir, "/m\0"),
        ] { #expect(try client.ask(op, payload, in: transaction) == .ok) }
        #expect(try client.abort(transaction) == .ok)
        #expect(try client.ask(.read, "/c/x\0") == .data("old"))
        #expect(try client.ask(.read, "/c/y\0") == .data("old"))
        #expect(try client.ask(.directory, "/\0") == .data("tool\0c\0"))
        #expect(try client.ask(.getPerms, "/c\0") == .data("n0\0"))
        #expect(try client.ask(.control, "check\0") == .ok)
    }

    @Test func goesOnAfterAnError() throws {
        let transaction = try client.startTransaction()
        #expect(try client.ask(.read, "/nowhere\0", in: transaction) == .ENOENT)
        #expect(try client.ask(.write, "/bad path\0v", in: transaction) == .EINVAL)
        #expect(try client.ask(.rm, "/\0", in: transaction) == .EINVAL)
        #expect(try client.ask(Op(rawValue: 99), "", in: transaction) == .ENOSYS)
        #expect(try client.ask(.write, "/c/x\0new", in: transaction) == .ok)
        #expect(try client.commit(transaction) == .ok)
        #expect(try client.ask(.read, "/c/x\0") == .data("new"))
    }

    @Test func leavesOtherTypesToTheDaemon() throws {
        let transaction = try client.startTransaction()
        #expect(try client.ask(.getDomainPath, "5\0", in: transaction) == .data("/local/domain/5\0"))
        #expect(try client.ask(.isDomainIntroduced, "0\0", in: transaction) == .data("T\0"))
        #expect(try client.ask(.control, "check\0", in: transaction) == .ok)
        #expect(try client.ask(.watch, "/c\0t\0", in: transaction) == .ok)
        #expect(try client.abort(transaction) == .ok)
        #expect(try client.ask(.unwatch, "/c\0t\0") == .ok, "the watch is not the transaction's")
    }

    @Test func dropsTheTransactionsOfAClosedConnection() throws {
        do {
            let leaver = try daemon.connect()
            let transaction = try leaver.startTransaction()
            #expect(try leaver.ask(.write, "/c/x\0new", in: transaction) == .ok)
        }
        #expect(try client.ask(.read, "/c/x\0") == .data("old"))
        #expect(try client.ask(.control, "check\0") == .ok)
    }

    /// XSA-421.
    @Test func countsNodesThatComeAndGoInside() throws {
        for _ in 0..<50 {
            let transaction = try client.startTransaction()
            #expect(try client.ask(.write, "/t/a/b\0v", in: transaction) == .ok)
            #expect(try client.ask(.rm, "/t\0", in: transaction) == .ok)
            #expect(try client.commit(transaction) == .ok)
        }
        #expect(try client.ask(.directory, "/\0") == .data("tool\0c\0"))
        #expect(try client.ask(.control, "check\0") == .ok)
    }

    // MARK: Events

    private func commitWatched(_ requests: [(Op, String)]) throws -> [Event] {
        #expect(try other.ask(.watch, "/\0t\0") == .ok)
        _ = try other.allEvents()
        let transaction = try client.startTransaction()
        for (op, payload) in requests { #expect(try !client.ask(op, payload, in: transaction).isError) }
        #expect(try other.allEvents() == [], "nothing before the end")
        #expect(try client.commit(transaction) == .ok)
        return try other.allEvents()
    }

    @Test func tellsEachNodeOnceInTheOrderOfFirstTouch() throws {
        let events = try commitWatched([
            (.write, "/c/y\01"), (.read, "/c/x\0"), (.write, "/n\01"), (.write, "/c/x\02"), (.write, "/c/y\03"),
            (.setPerms, "/c\0r0\0"),
        ])
        #expect(events.map(\.path) == ["/c/y", "/c/x", "/n", "/c"])
    }

    @Test func firesNoWatchForANodeThatCameAndWent() throws {
        #expect(try commitWatched([(.write, "/n\0v"), (.rm, "/n\0")]) == [])
    }

    @Test func firesNoWatchForReads() throws {
        #expect(
            try commitWatched([(.read, "/c/x\0"), (.directory, "/c\0"), (.getPerms, "/c\0"), (.mkdir, "/c\0")]) == [])
    }

    @Test func tellsOfTheMadeNodeButNotOfItsParents() throws {
        #expect(try commitWatched([(.mkdir, "/p/q/r\0")]) == [Event("/p/q/r", "t")])
    }

    @Test func tellsOfARemovedTreeOnce() throws {
        #expect(try other.ask(.watch, "/c/x\0exact\0") == .ok)
        let events = try commitWatched([(.rm, "/c\0")])
        #expect(Set(events) == [Event("/c/x", "exact"), Event("/c", "t")])
        #expect(events.count == 2)
    }

    @Test func tellsBeforeItAnswersTheEnd() throws {
        #expect(try client.ask(.watch, "/c\0t\0") == .ok)
        _ = try client.allEvents()
        let transaction = try client.startTransaction()
        #expect(try client.ask(.write, "/c/x\0v", in: transaction) == .ok)
        #expect(client.takeEvents() == [])
        #expect(try client.commit(transaction) == .ok)
        #expect(client.takeEvents() == [Event("/c/x", "t")])
        #expect(try client.allEvents() == [])
    }
}
