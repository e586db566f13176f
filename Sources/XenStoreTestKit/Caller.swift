// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreWire

/// A client that speaks the protocol one request at a time, and records an issue unless each gets exactly one reply.
///
///     let host = try EmbeddedHost(storage: FailingStorage())
///     let guest = host.guest(5)
///     #expect(guest.write("data/name", "value") == .ok)
///     #expect(guest.read("data/name") == .text("value"))
///     #expect(guest.read("/local/domain/0/name") == .error(.ENOENT))
public final class Caller {
    /// Where the client is connected.
    public let host: EmbeddedHost
    /// The connection itself, for what is not a request and its reply.
    public let client: EmbeddedClient
    private var events: [String] = []

    /// Speaks for a client that is connected; ``EmbeddedHost/caller(_:mayWrite:)`` connects one.
    public init(host: EmbeddedHost, client: EmbeddedClient) {
        self.host = host
        self.client = client
    }

    /// One request. `payload` is complete: NULs are written out.
    @discardableResult
    public func ask(_ operation: Operation, _ payload: String, in transaction: UInt32 = 0) -> Reply {
        ask(number: operation.rawValue, Array(payload.utf8), in: transaction)
    }

    /// One request of any type, known or not.
    public func ask(number: UInt32, _ payload: [UInt8], in transaction: UInt32 = 0) -> Reply {
        // Answers to what was sent before are not this one's.
        events += client.takeMessages().filter(\.isEvent).map(\.text)
        client.send(number, request: 0x5eed, transaction: transaction, payload)
        host.settle()
        let messages = client.takeMessages()
        events += messages.filter(\.isEvent).map(\.text)
        let answers = messages.filter { !$0.isEvent }
        if answers.count != 1 { Issue.record("\(answers.count) answers to \(number) \(payload.prefix(80))") }
        guard let answer = answers.first else { return .none }
        #expect(answer.header.request == 0x5eed)
        #expect(answer.header.transaction == transaction)
        #expect(answer.isError || answer.header.type == number)
        return Reply(answer)
    }

    /// The events that have come since the last call, NULs as `|`.
    public func takeEvents() -> [String] {
        host.settle()
        events += client.takeMessages().filter(\.isEvent).map(\.text)
        defer { events = [] }
        return events
    }

    // MARK: The tree

    /// READ of a node.
    public func read(_ path: String, in transaction: UInt32 = 0) -> Reply { ask(.read, "\(path)\0", in: transaction) }
    /// DIRECTORY: the names of a node's children.
    public func list(_ path: String, in transaction: UInt32 = 0) -> Reply {
        ask(.directory, "\(path)\0", in: transaction)
    }
    /// GET_PERMS, as text.
    public func permissions(_ path: String, in transaction: UInt32 = 0) -> Reply {
        ask(.getPermissions, "\(path)\0", in: transaction)
    }
    /// WRITE of a value, which makes the node.
    @discardableResult
    public func write(_ path: String, _ value: String = "", in transaction: UInt32 = 0) -> Reply {
        ask(.write, "\(path)\0\(value)", in: transaction)
    }
    /// MKDIR.
    @discardableResult
    public func mkdir(_ path: String, in transaction: UInt32 = 0) -> Reply {
        ask(.makeDirectory, "\(path)\0", in: transaction)
    }
    /// RM of a node and all below it.
    @discardableResult
    public func rm(_ path: String, in transaction: UInt32 = 0) -> Reply { ask(.remove, "\(path)\0", in: transaction) }
    /// SET_PERMS, with entries such as `n5`.
    @discardableResult
    public func setPermissions(_ path: String, _ entries: String..., in transaction: UInt32 = 0) -> Reply {
        ask(.setPermissions, "\(path)\0" + entries.map { "\($0)\0" }.joined(), in: transaction)
    }

    // MARK: Watches and transactions

    /// WATCH, with a depth where the daemon knows that.
    @discardableResult
    public func watch(_ path: String, _ token: String = "t", depth: Int? = nil) -> Reply {
        ask(.watch, "\(path)\0\(token)\0" + (depth.map { "\($0)\0" } ?? ""))
    }
    /// Sets a watch and forgets its first event.
    public func listen(_ path: String, _ token: String = "t", depth: Int? = nil) {
        #expect(watch(path, token, depth: depth) == .ok)
        #expect(takeEvents().count == 1)
    }
    /// UNWATCH.
    @discardableResult
    public func unwatch(_ path: String, _ token: String = "t") -> Reply { ask(.unwatch, "\(path)\0\(token)\0") }

    /// Starts a transaction; 0 if that was refused.
    public func start() -> UInt32 {
        guard case .text(let number) = ask(.transactionStart, "\0") else { return 0 }
        return UInt32(number.dropLast()) ?? 0
    }
    /// Ends a transaction and keeps its changes.
    @discardableResult
    public func commit(_ transaction: UInt32) -> Reply { ask(.transactionEnd, "T\0", in: transaction) }
    /// Ends a transaction and drops its changes.
    @discardableResult
    public func abort(_ transaction: UInt32) -> Reply { ask(.transactionEnd, "F\0", in: transaction) }

    /// The connection, as a transport sees it.
    public var connection: Connection { client.connection }
}

extension Reply {
    /// Names as DIRECTORY answers them.
    public static func names(_ names: String...) -> Reply { .text(names.map { "\($0)|" }.joined()) }

    /// Whether the request was refused.
    public var isError: Bool { if case .error = self { true } else { false } }
}

extension Caller {
    /// Sends a request and does not wait for its answer.
    public func send(_ operation: Operation, _ payload: String, in transaction: UInt32 = 0, number: UInt32 = 0) {
        client.send(operation.rawValue, request: number, transaction: transaction, Array(payload.utf8))
    }

    /// What has come since the last call, as text.
    public func takeAll() -> [String] { client.takeMessages().map(\.description) }

    /// The replies that have come since the last call. Events that came with them are dropped.
    public func takeReplies() -> [Reply] { client.takeMessages().filter { !$0.isEvent }.map { Reply($0) } }
}
