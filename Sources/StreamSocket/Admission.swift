// SPDX-License-Identifier: Apache-2.0
import Glibc
import XenStorePlugin

/// Decides whether there is room for one more client, and logs which clients are turned away.
struct Admission {
    /// Clients at a time; 0 for any number.
    let connections: Int
    /// Clients that may only look leave half of the daemon's file descriptors to those that may write. These
    /// leave some for files of the daemon's own.
    let leavesHalf: Bool

    private var lastLine: Moment?
    private var untold = 0

    /// Why a client is turned away.
    enum Refusal: Equatable {
        case tooMany
        /// Of so many descriptors that the process may have.
        case scarce(Int)
        case none(Int32)
        /// The transport does not know who it is, for a reason.
        case unknown(String)
    }

    /// A line a minute is enough for a reader of the log.
    private static let pauseMilliseconds: UInt64 = 60_000
    private static let ownDescriptors = 32

    init(connections: Int, leavesHalf: Bool) {
        self.connections = connections
        self.leavesHalf = leavesHalf
    }

    /// Why the client who got this descriptor can't stay beside `present` others; nil if it can.
    func refusal(_ descriptor: Int32, beside present: Int) -> Refusal? {
        if connections > 0, present >= connections { return .tooMany }
        // The limit may be raised while the daemon runs.
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        let all = Int(clamping: limit.rlim_cur)
        let left = leavesHalf ? all / 2 : min(Self.ownDescriptors, all / 8)
        // The system hands out the lowest number that is free.
        return Int(descriptor) >= all - left ? .scarce(all) : nil
    }

    /// Logs it, unless a line about others was written just before.
    mutating func tell(_ refusal: Refusal, beside present: Int, at now: Moment, _ log: PluginLog) {
        untold += 1
        if let lastLine, now < lastLine.advanced(byMilliseconds: Self.pauseMilliseconds) { return }
        log.write(level(of: refusal), summary(refusal, present))
        lastLine = now
        untold = 0
    }

    /// That a stranger is turned away is as it should be.
    private func level(of refusal: Refusal) -> LogLevel {
        if case .unknown = refusal { return .warning }
        return leavesHalf ? .warning : .error
    }

    private func summary(_ refusal: Refusal, _ present: Int) -> String {
        let many = untold == 1 ? "a client is" : "\(untold) clients were"
        return switch refusal {
        case .tooMany: "\(many) turned away: \(present) are connected, as many as 'connections' allows"
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
