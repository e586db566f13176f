// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What the simulated hypervisor knows of each domain: `struct fx_states` of Tests/FakeXen/fakexen.h, in a file.
public struct FakeDomainStates {
    private let path: String
    /// The file in which libxenmanage looks for domains that have changed.
    private let changed: String

    public struct State {
        public var uniqueID: UInt64
        public var isShutdown: Bool
        public var isDead: Bool
        /// 1 control, 2 hardware, 4 xenstore.
        public var capabilities: UInt32

        public init(uniqueID: UInt64, isShutdown: Bool = false, isDead: Bool = false, capabilities: UInt32 = 0) {
            self.uniqueID = uniqueID
            self.isShutdown = isShutdown
            self.isDead = isDead
            self.capabilities = capabilities
        }
    }

    /// The states in the world in this folder.
    public init(of world: String) {
        path = "\(world)/states"
        changed = "\(world)/changed"
    }

    /// A count, then for each domain a unique id and four words: capabilities, shutdown, reason, dying.
    private static let (head, size) = (8, 24)

    /// The state of a domain; nil if there is none.
    public func read(_ domain: UInt16) throws -> State? {
        try withFile(path) { file in
            var words = [UInt64](repeating: 0, count: 3)
            pread(file, &words, Self.size, place(of: domain))
            if words[0] == 0 { return nil }
            return State(
                uniqueID: words[0], isShutdown: words[1] >> 32 != 0, isDead: words[2] >> 32 == 2,
                capabilities: UInt32(truncatingIfNeeded: words[1]))
        }
    }

    /// Sets the state of a domain; nil removes the domain.
    public func write(_ domain: UInt16, _ state: State?) throws {
        try withFile(path) { file in
            let words = [
                state?.uniqueID ?? 0, UInt64(state?.capabilities ?? 0) | (state?.isShutdown == true ? 1 << 32 : 0),
                state?.isDead == true ? 2 << 32 : 0,
            ]
            var count: UInt64 = 0
            pread(file, &count, Self.head, 0)
            count = max(count, UInt64(domain) + 1)
            guard pwrite(file, words, Self.size, place(of: domain)) == Self.size,
                pwrite(file, &count, Self.head, 0) == Self.head
            else { throw Trouble.system("set the state of domain \(domain)") }
        }
        try withFile(changed) { file in
            var mark: UInt8 = 1
            guard pwrite(file, &mark, 1, off_t(domain)) == 1 else { throw Trouble.system("mark domain \(domain)") }
        }
    }

    private func place(of domain: UInt16) -> Int { Self.head + Int(domain) * Self.size }

    private func withFile<Result>(_ path: String, _ body: (Int32) throws -> Result) throws -> Result {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Trouble.system("open \(path)") }
        defer { close(file) }
        return try body(file)
    }
}
