// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// The moment at which a test stops waiting and fails.
public struct Deadline: Sendable {
    /// Long enough for a debug build on a busy machine.
    public static let usual: Duration = .seconds(10)

    private let moment: ContinuousClock.Instant

    public init(in duration: Duration = Deadline.usual) { moment = .now + duration }

    /// The timeout for `poll`: at least 0, and rounded up, so the wait does not spin at its end.
    public var milliseconds: Int32 {
        let left = (moment - .now).components
        guard left.seconds >= 0, left.attoseconds >= 0 else { return 0 }
        return Int32(clamping: left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000 + 1)
    }
}

/// An error around a test, not in the tested code.
public struct Trouble: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }

    /// The system's last error.
    public static func system(_ doing: String) -> Trouble {
        Trouble("can't \(doing): \(String(cString: strerror(errno)))")
    }
}

/// Waits until at least one of the descriptors is ready for its events. Returns the ready ones; empty after the
/// deadline.
public func waitUntilReady(_ wanted: [(descriptor: Int32, events: Int32)], _ deadline: Deadline) throws -> [Int32] {
    var polled = wanted.map { pollfd(fd: $0.descriptor, events: Int16($0.events), revents: 0) }
    while true {
        let count = poll(&polled, nfds_t(polled.count), deadline.milliseconds)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw Trouble.system("wait") }
        return polled.filter { $0.revents != 0 }.map(\.fd)
    }
}

/// Waits until the text of a file, which another process writes, is right.
public func waitForFile(
    _ path: String, _ deadline: Deadline = Deadline(), until isAsWanted: (String) -> Bool
) throws {
    let changes = inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))
    guard changes >= 0 else { throw Trouble.system("watch files") }
    defer { close(changes) }
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    let events = UInt32(IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM)
    guard inotify_add_watch(changes, folder, events) >= 0 else { throw Trouble.system("watch \(folder)") }
    while true {
        let text = TemporaryFolder.text(of: path)
        if isAsWanted(text) { return }
        guard try !waitUntilReady([(changes, POLLIN)], deadline).isEmpty else {
            throw Trouble("\(path) is not as it should be: \(text)")
        }
        var noise = [UInt8](repeating: 0, count: 4096)
        _ = read(changes, &noise, noise.count)
    }
}
