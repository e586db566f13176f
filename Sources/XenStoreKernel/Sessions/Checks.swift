// SPDX-License-Identifier: Apache-2.0
import XenStorePlugin
import XenStoreWire

/// The checks of the store for which clients wait (CONTROL `check`), one after another, each in slices.
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

    /// Whether the session's next request must wait for a check. Each time it is asked, which is once in a turn as long
    /// as the request waits, the check goes on for some hundreds of microseconds.
    func mustWait(_ payload: UnsafeRawBufferPointer, _ session: Session) -> Bool {
        guard payload.isEqual(to: "check\0"), session.peer.isPrivileged, session.peer.mayWrite else { return false }
        if isDone(session) { return false }
        if !waiting.contains(where: { $0 === session }) { waiting.append(session) }
        goOn()
        return !isDone(session)
    }

    private func isDone(_ session: Session) -> Bool { done.contains { $0.session === session } }

    private func goOn() {
        let check = current ?? StoreCheck.begin(store)
        current = check
        if check.goOn(atMost: store.history.slices.nodes) { return }
        current = nil
        done.append((waiting.removeFirst(), check.problems))
    }

    /// What the session's check has found.
    func take(for session: Session) -> [String] {
        guard let at = done.firstIndex(where: { $0.session === session }) else { return StoreCheck.problems(of: store) }
        return done.remove(at: at).problems
    }

    /// The session has ended.
    func forget(_ session: Session) {
        done.removeAll { $0.session === session }
        waiting.removeAll { $0 === session }
        // Otherwise the check is for the next one.
        guard waiting.isEmpty, let check = current else { return }
        check.giveUp()
        current = nil
    }
}
