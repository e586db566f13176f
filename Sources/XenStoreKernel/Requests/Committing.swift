// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// Commits a transaction: replays its requests on the store as it is now. If each is answered as it was in the draft,
/// the transaction is as good as done at this moment; if not, it is undone.
final class Committing {
    private let tree: TreeRequests
    private let store: Store
    private let accounts: Accounts
    private let domains: Domains
    private let journal: Journal
    private let watches: Watches
    private let events: Events
    private let schedule: Schedule
    /// Not the one that reads the paths of requests.
    private let scanner: PathScanner
    /// The watches to be told of the path in hand; kept for its capacity.
    private var told: [Watch] = []

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

    /// Commits, or throws EAGAIN, or what else the client gets. The transaction keeps nothing in any case.
    func commit(_ transaction: Transaction, of session: Session, _ cause: inout Cause) throws(WireError) {
        // One that has changed nothing saw one snapshot, and is as good as done when that was taken.
        guard let draft = transaction.draft, draft.hasChanges else { return }
        refreshDomains(namedIn: transaction.log, of: session)
        journal.openTurn()
        schedule.spend(draft.work * Work.change)
        let (log, order, work) = (transaction.log, draft.touched, draft.work)
        // What the draft holds becomes what the store holds: it must not count twice.
        transaction.close()
        accounts.settleCharge(of: transaction, session)

        let before = store.history.openSnapshot(undoable: true)
        defer { store.history.closeSnapshot(before, undoable: true) }
        let replay = Replay(order: order, removals: session.hasLimits ? 2 * work : .max)
        do throws(WireError) {
            try carryOut(log, of: session, replay)
            let pending = try findEvents(of: replay.ordered, since: before, work: work, session)
            session.conflicts = 0
            for event in pending { event.path.withUnsafeBytes { events.send($0, to: event.watch, &cause) } }
        } catch {
            store.history.undoToNewestSnapshot()
            if error == .EAGAIN { session.conflicts += 1 }
            throw error
        }
    }

    /// What has come to be since need not be asked about: permissions that named it are stale.
    private func refreshDomains(namedIn log: RequestLog, of session: Session) {
        var named: Set<DomainID> = []
        for entry in log.entries where entry.operation == .setPermissions {
            log.withPayload(of: entry) { named.formUnion(domains.named(in: $0, by: session)) }
        }
        for id in named where domains.known(id) != nil { domains.refresh(id) }
    }

    // MARK: Replaying

    private func carryOut(_ log: RequestLog, of session: Session, _ replay: Replay) throws(WireError) {
        for entry in log.entries {
            try log.withPayload(of: entry) { payload throws(WireError) in
                try carryOut(entry, payload, session, replay)
            }
        }
    }

    /// Carries out one request again, which must be answered the same.
    private func carryOut(
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
        // Out of quota is not a conflict: trying again would not help.
        if case .failure(let failure) = outcome, failure == .ENOSPC || failure == .EIO, !entry.failed { throw failure }
        throw .EAGAIN
    }

    // MARK: Events

    /// An event that a commit causes.
    private struct PendingEvent {
        let path: [UInt8]
        let watch: Watch
    }

    /// Finds whom to tell of what a transaction has changed: of each node once, and of none that came and went
    /// inside. Each event counts to the work of the transaction.
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
                watches.find(path, notice, into: &told)
                for watch in told { pending.append(PendingEvent(path: changed.bytes, watch: watch)) }
            }
            try accounts.allow(.transactionWork, amount: work + pending.count, session)
        }
        return pending
    }
}
