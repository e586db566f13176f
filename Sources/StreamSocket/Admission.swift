// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// Decides whether there is room for one more client, and logs the clients that the daemon turns away.
struct Admission {
    /// Clients at a time; 0 for any number.
    let connections: Int
    /// Whether the clients leave half of the daemon's file descriptors to others. Clients that may only look do;
    /// clients that may write leave some for the daemon's own files.
    let leavesHalf: Bool

    private var lastLine: Moment?
    private var unlogged = 0

    /// The reason for turning a client away.
    enum Refusal: Equatable {
        case tooMany
        /// Too few file descriptors are left of the number that the process may have.
        case scarce(Int)
        case none(Int32)
        /// The transport does not know the client, for this reason.
        case unknown(String)
    }

    /// The shortest time between two lines in the log. A line a minute is enough for its reader.
    private static let pauseMilliseconds: UInt64 = 60_000
    private static let ownDescriptors = 32

    init(connections: Int, leavesHalf: Bool) {
        self.connections = connections
        self.leavesHalf = leavesHalf
    }

    /// The reason for turning away the client with this descriptor; nil if it can stay beside `present` others.
    func refusal(_ descriptor: Int32, beside present: Int) -> Refusal? {
        if connections > 0, present >= connections { return .tooMany }
        // The limit can change while the daemon runs.
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        let all = Int(clamping: limit.rlim_cur)
        let left = leavesHalf ? all / 2 : min(Self.ownDescriptors, all / 8)
        // The system hands out the lowest number that is free.
        return Int(descriptor) >= all - left ? .scarce(all) : nil
    }

    /// Logs a refusal, unless the log has a line about another one from the last minute.
    mutating func tell(_ refusal: Refusal, beside present: Int, at now: Moment, _ log: PluginLog) {
        unlogged += 1
        if let lastLine, now < lastLine.advanced(byMilliseconds: Self.pauseMilliseconds) { return }
        log.write(level(of: refusal), summary(refusal, present))
        lastLine = now
        unlogged = 0
    }

    /// The level of a refusal. To turn away a stranger is no error of the daemon.
    private func level(of refusal: Refusal) -> LogLevel {
        if case .unknown = refusal { return .warning }
        return leavesHalf ? .warning : .error
    }

    private func summary(_ refusal: Refusal, _ present: Int) -> String {
        let many = unlogged == 1 ? "a client is" : "\(unlogged) clients were"
        return switch refusal {
        case .tooMany: "\(many) turned away: 'connections' allows no more than the \(present) that are connected"
        case .scarce(let all):
            """
            \(many) turned away: with \(present) connections here, too few of the daemon's \(all) file descriptors \
            are left for others; raise the limit (nofile)
            """
        case .none(let code):
            """
            \(many) turned away, with \(present) connections here: \(String(cString: strerror(code))); raise the \
            limit (nofile)
            """
        case .unknown(let reason): "\(many) turned away, the last one because \(reason)"
        }
    }
}
