// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// Where NULs have to be in each type's payload.
@Suite final class NulTests: DaemonSuite {
    override init(_ daemon: Daemon) throws {
        try super.init(daemon)
        _ = try client.ask(.write, "/n\0v")
    }

    @Test(
        arguments: [
            (.read, "/n"), (.directory, "/n"), (.mkdir, "/n"), (.rm, "/n"), (.getPerms, "/n"), (.release, "1"),
            (.resume, "1"), (.getDomainPath, "1"), (.isDomainIntroduced, "1"), (.transactionEnd, "T"),
        ] as [(Op, String)])
    func needsExactlyOneNULAtTheEnd(op: Op, text: String) throws {
        for payload in ["", "\(text)", "\(text)\0\(text)", "\(text)\0\(text)\0", "\(text)\0\0", "\0\(text)\0"] {
            let transaction = op == .transactionEnd ? try client.startTransaction() : 0
            #expect(try client.ask(op, payload, in: transaction) == .EINVAL, "\(printable(Array(payload.utf8)))")
        }
        #expect(try client.ask(op, "\(text)\0") != .EINVAL)
    }

    @Test(
        arguments: [
            (.watch, "/n", 2...3), (.unwatch, "/n", 2...2), (.directoryPart, "/n", 2...2), (.introduce, "1", 3...20),
            (.setTarget, "1", 2...20), (.setFeature, "0", 2...2), (.getFeature, "0", 0...1),
            (.getQuota, "nodes", 0...2),
            (.setQuota, "nodes", 2...3), (.setPerms, "/n", 2...20),
        ] as [(Op, String, ClosedRange<Int>)])
    func countsTheNULs(op: Op, first: String, allowed: ClosedRange<Int>) throws {
        for count in 0...allowed.upperBound + 1 where !allowed.contains(count) && count <= 20 {
            // Whatever the strings are: with a wrong number of them it is all the same.
            let payload = (0..<count).map { $0 == 0 ? "\(first)\0" : "1\0" }.joined()
            #expect(try client.ask(op, payload) == .EINVAL, "\(op) with \(count)")
            #expect(try client.ask(op, payload + "junk") == .EINVAL, "\(op) with \(count) and junk")
        }
    }

    @Test func ignoresBytesAfterTheLastNUL() throws {
        #expect(try client.ask(.watch, "/n\0t\0junk") == .ok)
        #expect(try client.allEvents() == [Event("/n", "t")])
        #expect(try client.ask(.unwatch, "/n\0t\0junk") == .ok)
        #expect(try client.ask(.setPerms, "/n\0n0\0r1") == .ok)
        #expect(try client.ask(.getPerms, "/n\0") == .data("n0\0"))
        #expect(try client.ask(.getQuota, "nodes\0junk") == .data("1000\0"))
        #expect(try client.ask(.getFeature, "0\0junk") == client.ask(.getFeature, "0\0"))
    }

    @Test func writesAllBytesAfterTheFirstNUL() throws {
        #expect(try client.ask(.write, "/n") == .EINVAL)
        #expect(try client.ask(.write, "") == .EINVAL)
        for value in ["", "v", "\0", "a\0b\0\0c", "\0\0"] {
            #expect(try client.ask(.write, "/n\0\(value)") == .ok)
            #expect(try client.ask(.read, "/n\0") == .data(value))
        }
        let bytes = (0...255).map { UInt8($0) }
        #expect(try client.ask(.write, bytes: Array("/n\0".utf8) + bytes) == .ok)
        #expect(try client.ask(.read, "/n\0") == .data(bytes))
    }

    @Test(arguments: ["", "\0", "junk", "a\0b\0c"])
    func ignoresThePayload(payload: String) throws {
        #expect(try client.ask(.transactionStart, payload) == .data("1\0"))
        #expect(try client.ask(.resetWatches, payload) == .ok)
    }
}
