// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Commits a transaction: replays its requests on the store as it is now. If each gets the same answer as in the draft,
/// the transaction takes effect now. If not, the replay is undone.
final class Committing {
    private let tree: TreeRequests
    private let store: Store
    private let accounts: Accounts
    private let domains: Domains
    private let journal: Journal
    private let watches: Watches
    private let events: Events
    private let schedule: Schedule
    /// Not the scanner that reads the paths of requests.
    private let scanner: PathScanner
    /// The watches that fire on the current path. Kept for its capacity.
    private var found: [Watch] = []

    init(
        tree: TreeRequests, store: Store, accounts: Accounts, domains: Domains, journal: Journal,
        watches: Watches, events: Events, schedule: Schedule, scanner: PathScanner
    ) {
        self.tree = tree
        self.store = store
        self.accounts = accounts
        self.domains = domains
        self.journal = journal
        self.watches = watches
        self.events = events
        self.schedule = schedule
        self.scanner = scanner
    }

    /// Commits the transaction, or throws EAGAIN or another error for the client. The transaction keeps nothing in any
    /// case.
    func commit(_ transaction: Transaction, of session: Session, _ cause: inout Cause) throws(WireError) {
        // A transaction without changes saw one snapshot, and took effect when that was taken.
        guard let draft = transaction.draft, draft.hasChanges else { return }
        refreshDomains(namedIn: transaction.log, of: session)
        journal.openTurn()
        schedule.spend(draft.work * Work.change)
        let (log, order, work) = (transaction.log, order(of: draft), draft.work)
        // The draft's content becomes the store's. It must not count twice.
        transaction.close()
        accounts.settleCharge(of: transaction, session)

        let before = store.history.openSnapshot(undoable: true)
        defer { store.history.closeSnapshot(before, undoable: true) }
        let replay = Replay(order: order, removals: session.hasLimits ? 2 * work : .max)
        do throws(WireError) {
            try performAgain(log, of: session, replay)
            let pending = try findEvents(of: replay.ordered, since: before, work: work, session)
            session.conflicts = 0
            for event in pending { event.path.withUnsafeBytes { events.send($0, to: event.watch, &cause) } }
        } catch {
            store.history.undoToNewestSnapshot()
            if error == .EAGAIN { session.conflicts += 1 }
            throw error
        }
    }

    /// Domains that are new since then need no question: permissions that named them are stale.
    private func refreshDomains(namedIn log: RequestLog, of session: Session) {
        var named: Set<DomainID> = []
        for entry in log.entries where entry.operation == .setPermissions {
            log.withPayload(of: entry) { named.formUnion(domains.named(in: $0, by: session)) }
        }
        for id in named where domains.known(id) != nil { domains.refresh(id) }
    }

    // MARK: Replaying

    private func performAgain(_ log: RequestLog, of session: Session, _ replay: Replay) throws(WireError) {
        for entry in log.entries {
            try log.withPayload(of: entry) { payload throws(WireError) in
                try performAgain(entry, payload, session, replay)
            }
        }
    }

    /// Performs one request again. It must get the same answer.
    private func performAgain(
        _ entry: RequestLog.Entry, _ payload: UnsafeRawBufferPointer, _ session: Session, _ replay: Replay
    ) throws(WireError) {
        var request = RequestContext(
            session: session, operation: entry.operation, transaction: 0, payload: payload,
            cause: Cause(session, replay: replay))
        let outcome: Result<Answer, WireError>
        do throws(WireError) {
            outcome = .success(try tree.perform(&request, on: store))
        } catch {
            outcome = .failure(error)
        }
        if outcome.digest(entry.operation, store.hashing) == entry.digest { return }
        // A quota is not a conflict: another attempt would not help.
        if case .failure(let failure) = outcome, failure == .ENOSPC || failure == .EIO, !entry.failed { throw failure }
        throw .EAGAIN
    }

    // MARK: Events

    /// The order of the events. Below subtrees that were removed as a whole, only watched paths have a place.
    private func order(of draft: Draft) -> Replay.Order {
        var order = Replay.Order(touched: draft.touched)
        for (top, position) in draft.detached {
            var watched: Set<NodeID> = []
            var ways = WaysToNodes(in: store)
            store.path(of: top).withBytes { top in
                watches.forEachPath(below: top) { bytes in
                    guard let path = try? scanner.scan(bytes, home: .control) else { return }
                    let id = store.nodes.find(path, at: draft.generation)
                    if !id.exists { return }
                    watched.insert(id)
                    ways.add(id)
                }
            }
            for id in ways.preorder(below: top, where: watched.contains) {
                let hash = store.pointer(id).pointee.hash
                if order.removed[hash] == nil { order.removed[hash] = (position, order.removed.count) }
            }
        }
        return order
    }

    /// An event that a commit causes.
    private struct PendingEvent {
        let path: [UInt8]
        let watch: Watch
    }

    /// Finds the events of a transaction's changes: for each node one, and none for a node that came and went inside
    /// the transaction. Each event counts to the work of the transaction.
    private func findEvents(
        of paths: [(bytes: [UInt8], isExact: Bool)], since before: UInt64, work: Int, _ session: Session
    ) throws(WireError) -> [PendingEvent] {
        var pending: [PendingEvent] = []
        if watches.isEmpty { return pending }
        for changed in paths {
            changed.bytes.withUnsafeBytes { bytes in
                guard let path = try? scanner.scan(bytes, home: .control, specials: true),
                    let notice = ChangeNotice(of: path, isExact: changed.isExact, since: before, in: store)
                else { return }
                watches.find(path, notice, into: &found)
                for watch in found { pending.append(PendingEvent(path: changed.bytes, watch: watch)) }
            }
            try accounts.allow(.transactionWork, amount: work + pending.count, session)
        }
        return pending
    }
}
