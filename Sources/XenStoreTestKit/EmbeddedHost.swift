// SPDX-License-Identifier: Apache-2.0
import XenStoreEngine
import XenStorePlugin
import XenStoreWire

/// A whole daemon in the test's hand: the kernel, a storage and policies of the test's choice, a
/// clock that only moves when told, and clients of any domain.
public final class EmbeddedHost {
    public let engine: Engine
    public private(set) var now = Moment(nanoseconds: 1)
    /// What the kernel has logged.
    public var log: [(level: LogLevel, text: String)] { lines.all }

    private let lines: Lines

    private final class Lines {
        var all: [(level: LogLevel, text: String)] = []
    }

    public init(storage: any Storage, policies: [any Policy] = [], seed: UInt64 = 1) throws(StorageError) {
        let lines = Lines()
        self.lines = lines
        engine = try Engine(storage: storage, policies: policies, seed: seed) { lines.all.append(($0, $1)) }
    }

    /// A new connection of a guest; dom0 is privileged unless said otherwise, and may have limits of its own.
    public func connect(
        domain: DomainID, privileged: Bool? = nil, mayWrite: Bool = true, limits: ClientLimits? = nil
    ) -> EmbeddedClient {
        EmbeddedClient(
            host: engine,
            peer: Peer(
                domain: domain, isPrivileged: privileged ?? (domain == .control), mayWrite: mayWrite,
                transport: "embedded", limits: limits))
    }

    /// Ends one turn.
    @discardableResult
    public func endTurn() -> Wait { engine.endTurn(at: now) }

    /// Ends turns until nothing is left to do at once.
    @discardableResult
    public func settle() -> Wait {
        var wait = engine.endTurn(at: now)
        var turns = 0
        while turns < 100_000 {
            switch wait {
            case .none: break
            // Nothing more comes from a test that waits for answers.
            case .gathering(let end): now = end
            case .until, .forever: return wait
            }
            wait = engine.endTurn(at: now)
            turns += 1
        }
        return wait
    }

    /// Moves the clock on and ends a turn.
    public func advance(milliseconds: UInt64) {
        now = now.advanced(byMilliseconds: milliseconds)
        settle()
    }
}

extension EmbeddedHost {
    /// A new connection of a domain that asks and is answered; dom0's are privileged.
    public func caller(_ domain: UInt16, mayWrite: Bool = true) -> Caller {
        Caller(host: self, client: connect(domain: DomainID(domain), mayWrite: mayWrite))
    }

    /// A guest with a home of its own, as a toolstack makes it.
    public func guest(_ domain: UInt16) -> Caller {
        let dom0 = caller(0)
        dom0.mkdir("/local/domain/\(domain)")
        dom0.setPermissions("/local/domain/\(domain)", "n\(domain)")
        dom0.client.hangUp()
        return caller(domain)
    }

    /// The lines that were logged at one level.
    public func log(_ level: LogLevel) -> [String] { log.filter { $0.level == level }.map(\.text) }
}

/// An answer, as a test wants to compare it.
public enum Reply: Equatable, Sendable {
    /// The payload, NULs as `|`.
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
