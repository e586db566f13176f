// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A moment at which waiting turns into failing.
public struct Deadline: Sendable {
    /// Long enough for a debug build on a busy machine; what waits this long is broken.
    public static let usual: Duration = .seconds(10)

    private let moment: ContinuousClock.Instant

    public init(in duration: Duration = Deadline.usual) { moment = .now + duration }

    /// What `poll` wants to be told: at least 0, and rounded up so that it doesn't spin at the end.
    public var milliseconds: Int32 {
        let left = (moment - .now).components
        guard left.seconds >= 0, left.attoseconds >= 0 else { return 0 }
        return Int32(clamping: left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000 + 1)
    }
}

/// What went wrong around a test, rather than in what it tests.
public struct Trouble: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }

    /// What the system says about its last refusal.
    public static func system(_ doing: String) -> Trouble {
        Trouble("can't \(doing): \(String(cString: strerror(errno)))")
    }
}

/// Waits until one of the descriptors is ready for what it is waited for, and returns which are.
/// Empty if the deadline comes first.
public func waitUntilReady(_ wanted: [(descriptor: Int32, events: Int32)], _ deadline: Deadline) throws -> [Int32] {
    var polled = wanted.map { pollfd(fd: $0.descriptor, events: Int16($0.events), revents: 0) }
    while true {
        let count = poll(&polled, nfds_t(polled.count), deadline.milliseconds)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw Trouble.system("wait") }
        return polled.filter { $0.revents != 0 }.map(\.fd)
    }
}
