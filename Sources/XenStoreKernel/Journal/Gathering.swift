// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// Delays the end of a turn, so that more requests share its commit. Used for a storage whose commits take much longer
/// than requests.
///
/// Clients ask again soon after a reply. So a turn waits for the clients of the last two commits: of many clients one
/// part asks while the other part's commit is under way, and with one commit they would never meet. A single client
/// never waits.
struct Gathering {
    /// Grows with each commit. Each session knows the last commit in which it had a part.
    private var commit: UInt64 = 1
    private var size = 0
    /// The number of sessions in the last two commits.
    private var expected = 0
    /// The time at which the turn ends at the latest.
    private var deadline: Moment?

    /// The deadline for delaying this commit, or nil to commit now. `sessions` are those in the turn.
    mutating func deadline(for sessions: [Session], patience: UInt64, now: Moment) -> Moment? {
        guard sessions.count < expected else { return nil }
        let end = deadline ?? Moment(nanoseconds: now.nanoseconds &+ patience)
        deadline = end
        return now < end ? end : nil
    }

    /// Ends the turn with these sessions.
    mutating func end(_ sessions: [Session]) {
        var known = 0
        commit += 1
        for session in sessions {
            if session.lastCommit == commit - 1 { known += 1 }
            session.lastCommit = commit
        }
        expected = sessions.count + size - known
        size = sessions.count
        deadline = nil
    }
}
