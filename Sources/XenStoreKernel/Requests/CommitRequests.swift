// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// TRANSACTION_END.
extension Machine {
    /// TRANSACTION_END without a transaction.
    func checkEnd(_ request: Request) throws(WireError) -> Answer {
        _ = try isCommit(request)
        throw .ENOENT
    }

    private func isCommit(_ request: Request) throws(WireError) -> Bool {
        if request.payload.isEqual(to: "T\0") { return true }
        if request.payload.isEqual(to: "F\0") { return false }
        throw .EINVAL
    }

    mutating func endTransaction(
        _ request: Request, _ transaction: Transaction, _ cause: inout Cause
    ) throws(WireError) -> Answer {
        let session = request.session
        let commits = try isCommit(request)
        session.transactions[transaction.number] = nil
        defer {
            drop(transaction, of: session)
            endReservation(of: session)
        }
        if commits {
            switch transaction.state {
            case .lost: throw .EAGAIN
            case .poisoned: throw .ENOMEM
            case .open: try commit(transaction, by: request, &cause)
            }
        }
        return .ok
    }

    private mutating func commit(
        _ transaction: Transaction, by request: Request, _ cause: inout Cause
    ) throws(WireError) {
        // One that has changed nothing saw one snapshot, and is as good as done when that was taken.
        guard let draft = transaction.draft, draft.hasChanges else { return }
        let session = request.session
        // What has come to be since need not be asked about: permissions that named it are stale.
        var named: Set<DomainID> = []
        for entry in transaction.log.entries where entry.operation == .setPermissions {
            transaction.log.withPayload(of: entry) { named.formUnion(domains(namedBy: $0, of: session)) }
        }
        for id in named where domains[id] != nil { refresh(id) }
        openTurn()
        spend(draft.work * Work.change)
        let order = draft.touched
        let work = draft.work
        // What the draft holds becomes what the store holds: it must not count twice.
        let log = transaction.log
        transaction.close()
        accounts.settleCharge(of: transaction, session)
        try commit(log, order: order, work: work, session, &cause)
    }

    /// Replays the requests on the store as it is now. If each is answered as it was in the draft, the
    /// transaction is as good as done at this moment; if not, it is undone.
    private mutating func commit(
        _ requests: RequestLog, order: [UInt64: Int], work: Int, _ session: Session, _ cause: inout Cause
    ) throws(WireError) {
        let before = store.openSnapshot(undoable: true)
        defer { store.closeSnapshot(before, undoable: true) }
        let replay = Replay(order: order, removals: session.hasLimits ? 2 * work : .max)
        do throws(WireError) {
            for entry in requests.entries {
                try requests.withPayload(of: entry) { payload throws(WireError) in
                    try self.replay(entry, payload, session, replay)
                }
            }
        } catch {
            return try undo(error, session)
        }
        var events: [PendingEvent] = []
        let paths = replay.ordered
        do throws(WireError) {
            try collectEvents(of: paths, since: before, work: work, session, into: &events)
        } catch {
            return try undo(error, session)
        }
        session.conflicts = 0
        for event in events {
            paths[event.path].bytes.withUnsafeBytes {
                send($0, to: event.watch, suppressingEqual: !event.watch.isSpecial, &cause)
            }
        }
    }

    private func undo(_ error: WireError, _ session: Session) throws(WireError) {
        store.undoToNewestSnapshot()
        if error == .EAGAIN { session.conflicts += 1 }
        throw error
    }

    /// Carries out one request again, which must be answered the same.
    private mutating func replay(
        _ entry: RequestLog.Entry, _ payload: UnsafeRawBufferPointer, _ session: Session, _ replay: Replay
    ) throws(WireError) {
        let request = Request(session: session, operation: entry.operation, transaction: 0, payload: payload)
        var cause = Cause(session, replay: replay)
        let outcome: Result<Answer, WireError>
        do throws(WireError) {
            outcome = .success(try perform(request, on: store, &cause))
        } catch {
            outcome = .failure(error)
        }
        if digest(of: outcome, entry.operation) == entry.digest { return }
        // Out of quota is not a conflict: trying again would not help.
        if case .failure(let failure) = outcome, failure == .ENOSPC || failure == .EIO, !entry.failed { throw failure }
        throw .EAGAIN
    }

    // MARK: Events

    /// An event that a commit causes: the place of its path in the list of changed paths, and for which watch.
    private struct PendingEvent {
        let path: Int
        let watch: Watch
    }

    /// Finds whom to tell of what a transaction has changed: of each node once, and of none that came and went
    /// inside. Each event counts to the work of the transaction.
    private mutating func collectEvents(
        of paths: [(bytes: [UInt8], isExact: Bool)], since before: UInt64, work: Int, _ session: Session,
        into events: inout [PendingEvent]
    ) throws(WireError) {
        if watches.isEmpty { return }
        for (place, changed) in paths.enumerated() {
            changed.bytes.withUnsafeBytes { bytes in
                guard let path = try? innerScanner.scan(bytes, home: .control, specials: true),
                    let notice = notice(of: path, isExact: changed.isExact, since: before)
                else { return }
                match(path, notice)
                for watch in matches { events.append(PendingEvent(path: place, watch: watch)) }
            }
            try accounts.allow(.transactionWork, amount: work + events.count, session)
        }
    }

    /// Who could know of the node before and who can now, each with the permissions of that same moment.
    private func notice(of path: Path, isExact: Bool, since before: UInt64) -> ChangeNotice? {
        let old = store.find(path, at: before)
        let new = store.find(path)
        if !old.exists && !new.exists { return nil }
        return ChangeNotice(
            isExact: isExact,
            before: old.exists ? sight(of: old) { store.content(of: $0, at: before).permissions } : nil,
            now: new.exists ? sight(of: new) { store.content(of: $0).permissions } : nil)
    }

    private func sight(of id: NodeID, _ permissions: (NodeID) -> PermissionsID) -> Sight {
        let parent = store.parent(of: id)
        return Sight(node: permissions(id), parent: parent.exists ? permissions(parent) : nil)
    }
}
