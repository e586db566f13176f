// SPDX-License-Identifier: Apache-2.0
import Testing
import XenStorePlugin
import XenStoreWire

/// A client that performs one request at a time. It records an issue unless each request gets exactly one reply.
///
///     let host = try EmbeddedHost(storage: FailingStorage())
///     let guest = host.guest(5)
///     #expect(guest.write("data/name", "value") == .ok)
///     #expect(guest.read("data/name") == .text("value"))
///     #expect(guest.read("/local/domain/0/name") == .error(.ENOENT))
public final class Caller {
    /// The daemon that the client is connected to.
    public let host: EmbeddedHost
    /// The connection, for tests that need more than a request and its reply.
    public let client: EmbeddedClient
    private var events: [String] = []

    /// Speaks for a client that is already connected. `EmbeddedHost.caller(_:mayWrite:)` connects a new one.
    public init(host: EmbeddedHost, client: EmbeddedClient) {
        self.host = host
        self.client = client
    }

    /// Performs one request. `payload` is complete, with all its NULs.
    @discardableResult
    public func ask(_ operation: Operation, _ payload: String, in transaction: UInt32 = 0) -> Reply {
        ask(number: operation.rawValue, Array(payload.utf8), in: transaction)
    }

    /// Performs one request of any type, known or not.
    public func ask(number: UInt32, _ payload: [UInt8], in transaction: UInt32 = 0) -> Reply {
        // Replies to earlier requests do not count.
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

    /// The events since the last call, with each NUL as `|`.
    public func takeEvents() -> [String] {
        host.settle()
        events += client.takeMessages().filter(\.isEvent).map(\.text)
        defer { events = [] }
        return events
    }

    // MARK: The tree

    /// READ: the value of a node.
    public func read(_ path: String, in transaction: UInt32 = 0) -> Reply { ask(.read, "\(path)\0", in: transaction) }
    /// DIRECTORY: the names of a node's children.
    public func list(_ path: String, in transaction: UInt32 = 0) -> Reply {
        ask(.directory, "\(path)\0", in: transaction)
    }
    /// GET_PERMS: the permissions of a node, as text.
    public func permissions(_ path: String, in transaction: UInt32 = 0) -> Reply {
        ask(.getPermissions, "\(path)\0", in: transaction)
    }
    /// WRITE: sets a value, and makes the node if it does not exist.
    @discardableResult
    public func write(_ path: String, _ value: String = "", in transaction: UInt32 = 0) -> Reply {
        ask(.write, "\(path)\0\(value)", in: transaction)
    }
    /// MKDIR: makes a node.
    @discardableResult
    public func mkdir(_ path: String, in transaction: UInt32 = 0) -> Reply {
        ask(.makeDirectory, "\(path)\0", in: transaction)
    }
    /// RM: removes a node and all nodes below it.
    @discardableResult
    public func rm(_ path: String, in transaction: UInt32 = 0) -> Reply { ask(.remove, "\(path)\0", in: transaction) }
    /// SET_PERMS: sets the permissions of a node, from entries such as `n5`.
    @discardableResult
    public func setPermissions(_ path: String, _ entries: String..., in transaction: UInt32 = 0) -> Reply {
        ask(.setPermissions, "\(path)\0" + entries.map { "\($0)\0" }.joined(), in: transaction)
    }

    // MARK: Domains

    /// Makes a home for a guest, as a toolstack does.
    public func makeHome(of domain: UInt16) {
        mkdir("/local/domain/\(domain)")
        setPermissions("/local/domain/\(domain)", "n\(domain)")
    }
    /// INTRODUCE: tells the daemon that a domain exists.
    @discardableResult
    public func introduce(_ domain: UInt16, gfn: UInt64 = 1, port: UInt32 = 3) -> Reply {
        ask(.introduce, "\(domain)\0\(gfn)\0\(port)\0")
    }

    // MARK: Watches and transactions

    /// WATCH: sets a watch, with a depth if the test gives one.
    @discardableResult
    public func watch(_ path: String, _ token: String = "t", depth: Int? = nil) -> Reply {
        ask(.watch, "\(path)\0\(token)\0" + (depth.map { "\($0)\0" } ?? ""))
    }
    /// Sets a watch and forgets its first event.
    public func listen(_ path: String, _ token: String = "t", depth: Int? = nil) {
        #expect(watch(path, token, depth: depth) == .ok)
        #expect(takeEvents().count == 1)
    }
    /// UNWATCH: removes a watch.
    @discardableResult
    public func unwatch(_ path: String, _ token: String = "t") -> Reply { ask(.unwatch, "\(path)\0\(token)\0") }

    /// Starts a transaction. Returns 0 if the daemon refuses that.
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

    /// The kernel's connection with the client, as a transport sees it.
    public var connection: Connection { client.connection }
}

extension Reply {
    /// The reply of DIRECTORY with these names.
    public static func names(_ names: String...) -> Reply { .text(names.map { "\($0)|" }.joined()) }

    /// Whether the daemon has refused the request.
    public var isError: Bool { if case .error = self { true } else { false } }
}

extension Caller {
    /// Sends a request, and does not wait for its reply.
    public func send(_ operation: Operation, _ payload: String, in transaction: UInt32 = 0, number: UInt32 = 0) {
        client.send(operation.rawValue, request: number, transaction: transaction, Array(payload.utf8))
    }

    /// The messages since the last call, as text.
    public func takeAll() -> [String] { client.takeMessages().map(\.description) }

    /// The replies since the last call. Drops the events between them.
    public func takeReplies() -> [Reply] { client.takeMessages().filter { !$0.isEvent }.map { Reply($0) } }
}

extension EmbeddedHost {
    /// Connects a client of a domain, for single requests. A client of dom0 is privileged.
    public func caller(_ domain: UInt16, mayWrite: Bool = true) -> Caller {
        Caller(host: self, client: connect(domain: DomainID(domain), mayWrite: mayWrite))
    }

    /// Makes a home for a guest, as a toolstack does, and connects the guest.
    public func guest(_ domain: UInt16) -> Caller {
        let dom0 = caller(0)
        dom0.makeHome(of: domain)
        dom0.client.hangUp()
        return caller(domain)
    }
}

extension EmbeddedDomains {
    /// Speaks for a guest that is connected; nil if it is not.
    public func caller(_ domain: UInt16, of host: EmbeddedHost) -> Caller? {
        client(of: domain).map { Caller(host: host, client: $0) }
    }
}
