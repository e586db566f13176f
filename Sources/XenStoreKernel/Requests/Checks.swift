// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The checks of the store for which clients wait (CONTROL `check`), one after another, a slice of each in a turn.
///
/// The request stays in the client's inbox until its check is done. So it has one reply, in its place.
final class Checks {
    private let store: Store
    private var waiting: [Session] = []
    /// The check for the first session that waits.
    private var current: StoreCheck?
    /// What the checks have found whose requests can be handled now.
    private var done: [(session: Session, problems: [String])] = []

    init(of store: Store) { self.store = store }

    /// Whether there is a check to go on with.
    var isBusy: Bool { !waiting.isEmpty }

    /// Whether the session's next request must wait for a check. Begins the check, if it is the first to ask.
    func mustWait(_ payload: UnsafeRawBufferPointer, _ session: Session) -> Bool {
        guard payload.isEqual(to: "check\0"), session.peer.isPrivileged, session.peer.mayWrite else { return false }
        if done.contains(where: { $0.session === session }) { return false }
        if waiting.contains(where: { $0 === session }) { return true }
        waiting.append(session)
        // That of a small store is done at once.
        if waiting.count == 1 { goOn() }
        return !done.contains { $0.session === session }
    }

    /// Goes on for some hundreds of microseconds.
    func goOn() {
        done.removeAll { !$0.session.isOpen }
        guard let session = waiting.first else { return }
        let check = current ?? StoreCheck.begin(store)
        current = check
        if check.goOn(atMost: store.history.slices.nodes) { return }
        current = nil
        waiting.removeFirst()
        done.append((session, check.problems))
    }

    /// What the session's check has found.
    func take(for session: Session) -> [String] {
        guard let at = done.firstIndex(where: { $0.session === session }) else { return StoreCheck.problems(of: store) }
        return done.remove(at: at).problems
    }
}
