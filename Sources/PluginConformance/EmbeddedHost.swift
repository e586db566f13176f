// SPDX-License-Identifier: Apache-2.0
import XenStoreEngine
import XenStorePlugin
import XenStoreWire

/// A whole daemon inside a test: a kernel with a storage and policies of the test's choice. Clients of any domain can
/// connect. The clock moves only when the test moves it.
public final class EmbeddedHost {
    public let engine: Engine
    public private(set) var now = Moment(nanoseconds: 1)
    /// The lines that the kernel has logged.
    public var log: [(level: LogLevel, text: String)] { lines.all }

    private let lines: Lines

    private final class Lines {
        var all: [(level: LogLevel, text: String)] = []
    }

    public init(storage: any Storage, policies: [any Policy] = [], seed: UInt64 = 1) throws(StorageError) {
        let lines = Lines()
        self.lines = lines
        engine = try Engine(storage: storage, policies: policies, seed: seed) { lines.all.append(($0, $1)) }
        engine.useAbilities(of: PluginSet(transports: [], storage: storage, policies: policies).all)
    }

    /// Connects a client of a domain. A client of dom0 is privileged, unless the test says otherwise, and may have
    /// limits.
    public func connect(
        domain: DomainID, privileged: Bool? = nil, mayWrite: Bool = true, limits: ClientLimits? = nil
    ) -> EmbeddedClient {
        EmbeddedClient(
            host: engine,
            peer: Peer(
                domain: domain, isPrivileged: privileged ?? (domain == .control), mayWrite: mayWrite,
                transport: "embedded", limits: limits))
    }

    /// Ends one turn, and says how long the event loop may sleep.
    @discardableResult
    public func endTurn() -> Wait { engine.endTurn(at: now) }

    /// Ends turns until the kernel has nothing to do at once.
    @discardableResult
    public func settle() -> Wait {
        var wait = engine.endTurn(at: now)
        var turns = 0
        while turns < 100_000 {
            switch wait {
            case .none: break
            // The test waits for replies, so no further request can come.
            case .gathering(let end): now = end
            case .until, .forever: return wait
            }
            wait = engine.endTurn(at: now)
            turns += 1
        }
        return wait
    }

    /// Moves the clock forward, and ends turns until the kernel has nothing to do.
    public func advance(milliseconds: UInt64) {
        now = now.advanced(byMilliseconds: milliseconds)
        settle()
    }
}

extension EmbeddedHost {
    /// The log's lines of one level.
    public func log(_ level: LogLevel) -> [String] { log.filter { $0.level == level }.map(\.text) }
}

/// A reply in a form that tests can compare.
public enum Reply: Equatable, Sendable {
    /// The payload, with each NUL as `|`.
    case text(String)
    case error(WireError)
    /// There was no reply.
    case none

    public static let ok = Reply.text("OK|")

    public init(_ message: Message) {
        guard message.isError else {
            self = .text(message.text)
            return
        }
        self = message.payload.dropLast().withUnsafeBytes { WireError(wireName: $0) }.map { .error($0) } ?? .none
    }
}
