// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// A daemon under attack, and an honest client that wants to notice nothing of it.
final class Victim {
    let daemon: Daemon
    let client: RawClient
    private let descriptors: Int
    private let memory: Int

    init() throws {
        daemon = try Daemon()
        client = try daemon.connect()
        // Its connection counts once it is accepted.
        _ = try client.ask(.getDomainPath, "0\0")
        descriptors = daemon.openDescriptors
        // Whatever is made at first use is there now.
        for index in 0..<100 {
            _ = try client.ask(.write, "/warm/\(index)\0v")
            let transaction = try client.startTransaction()
            _ = try client.ask(.write, "/warm/\(index)\0w", in: transaction)
            _ = try client.commit(transaction)
            _ = try daemon.connect().ask(.watch, "/warm\0t\0")
        }
        _ = try client.ask(.rm, "/warm\0")
        memory = try daemon.residentMemory
    }

    /// How much the daemon has grown, in kibibytes.
    var growth: Int { get throws { try daemon.residentMemory - memory } }

    /// The honest client is served, and quickly: a request takes a thousandth of what is allowed here,
    /// but the machine may be busy, and with other things than this daemon.
    func servesOthersPromptly(sourceLocation: SourceLocation = #_sourceLocation) throws {
        var durations: [Duration] = []
        for index in 0..<100 {
            let start = ContinuousClock.now
            #expect(try client.ask(.write, "/honest\0\(index)") == .ok, sourceLocation: sourceLocation)
            #expect(try client.ask(.read, "/honest\0") == .data("\(index)"), sourceLocation: sourceLocation)
            durations.append(.now - start)
        }
        durations.sort()
        #expect(durations[50] < .milliseconds(100), sourceLocation: sourceLocation)
        #expect(durations[99] < .seconds(5), sourceLocation: sourceLocation)
    }

    /// Repeats requests of the honest client, each of which is a turn of the daemon at least, until
    /// something is so.
    func turnsUntil(_ condition: () throws -> Bool) throws {
        let deadline = Deadline()
        while try !condition() {
            _ = try client.ask(.getDomainPath, "0\0")
            if deadline.milliseconds == 0 { throw Trouble("it does not come to that") }
        }
    }

    /// All attackers are gone: the daemon lives, its store is sound, and nothing of them is left.
    func isUnharmed(mayGrowBy allowance: Int = 4096, sourceLocation: SourceLocation = #_sourceLocation) throws {
        try turnsUntil { daemon.openDescriptors <= descriptors }
        try servesOthersPromptly(sourceLocation: sourceLocation)
        #expect(try client.ask(.control, "check\0") == .ok, sourceLocation: sourceLocation)
        #expect(daemon.openDescriptors == descriptors, sourceLocation: sourceLocation)
        #expect(try growth <= allowance, "kibibytes", sourceLocation: sourceLocation)
        #expect(try daemon.process.isAlive, sourceLocation: sourceLocation)
    }
}
