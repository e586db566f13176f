// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// A client that sends READ of `/` and counts the replies. It never waits for the daemon, which the test turns by hand.
final class Reader {
    static let request = Message(.read, "/\0").bytes

    private let client: RawClient
    private(set) var replies = 0

    var hasEnded: Bool { client.hasEnded }

    init(_ path: String) throws { client = try RawClient(path) }

    /// Takes over a socket that is connected.
    init(connected descriptor: Int32) { client = RawClient(connected: descriptor) }

    /// How much the socket took.
    @discardableResult func send(_ bytes: some Collection<UInt8>) -> Int { max(0, client.trySend(Array(bytes)[...])) }

    func shutDown(_ how: Int) { shutdown(client.descriptor, Int32(how)) }

    /// Takes the replies that are there, and whether the daemon has closed.
    func receive() {
        do { replies += try client.receiveNow().count } catch { Issue.record(error) }
    }

    /// Waits until there are so many replies in all.
    func receive(replies count: Int) throws {
        let deadline = Deadline()
        while replies < count {
            try #require(try !waitUntilReady([(client.descriptor, POLLIN)], deadline).isEmpty)
            receive()
        }
    }

    /// Receives until the connection has ended. It may take a moment: a process that another test has just forked has
    /// a copy of every descriptor until it executes its program.
    func receiveToTheEnd() throws {
        let deadline = Deadline()
        while !hasEnded {
            try #require(try !waitUntilReady([(client.descriptor, POLLIN)], deadline).isEmpty)
            receive()
        }
    }
}
