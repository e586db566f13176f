// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin

/// Puts a turn's end off while more is about to come that the same commit can take along, for a storage
/// whose commits take much longer than requests do.
///
/// Clients ask again soon after they have been answered. So a turn waits for those who were in one of the
/// two commits before: in two, since of many clients one part asks while the other's commit is under
/// way, and they would never meet. A client that is alone never waits.
struct Gathering {
    /// Goes up with each commit. Sessions know the last one that they were in.
    private var commit: UInt64 = 1
    private var size = 0
    /// How many sessions were in the last two commits.
    private var expected = 0
    /// When the turn ends at the latest.
    private var deadline: Moment?

    /// Until when the turn may wait for others than those that are in it; nil if it is to end now.
    mutating func deadline(for sessions: [Session], patience: UInt64, now: Moment) -> Moment? {
        guard sessions.count < expected else { return nil }
        let end = deadline ?? Moment(nanoseconds: now.nanoseconds &+ patience)
        deadline = end
        return now < end ? end : nil
    }

    /// The turn ends with these.
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
