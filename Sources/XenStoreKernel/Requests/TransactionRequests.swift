// SPDX-License-Identifier: Apache-2.0
import XenStoreWire

/// TRANSACTION_START, TRANSACTION_END, and what happens in between.
extension Kernel {
    func startTransaction(_ request: Request) throws(WireError) {
        let session = request.session
        try allow(.transactions, amount: ledger[session.domain].transactions + 1, session)
        var number = session.lastTransaction &+ 1
        while number == 0 || session.transactions[number] != nil { number &+= 1 }
        session.lastTransaction = number
        session.transactions[number] = Transaction(number: number, store: store)
        ledger.adjustTransactions(of: session.domain, by: 1)
        session.noted.isStale = true
        reserveIfDesperate(session)
        let end = scratch.writeDecimal(UInt64(number))
        scratch[end] = 0
        try reply(request, UnsafeRawBufferPointer(rebasing: scratch[...end]))
    }

    /// Drops a transaction and all it holds.
    func drop(_ transaction: Transaction, of session: Session) {
        session.noted.isStale = true
        ledger.adjustTransactions(of: session.domain, by: -1)
        ledger.adjustMemory(of: session.domain, by: -transaction.charged)
        transaction.draft.close()
    }

    /// Carries out a request on the transaction's draft, and remembers what it was answered.
    func perform(_ request: Request, in transaction: Transaction) throws(WireError) {
        let session = request.session
        let mark = session.outbox.count
        var failure: WireError?
        do throws(WireError) {
            try perform(request, on: transaction.draft)
        } catch {
            failure = error
        }
        if failure == nil, let error = refusal(of: .transactionNodes, amount: transaction.draft.touched.count, session)
        {
            takeBack(to: mark, session)
            failure = error
            transaction.isPoisoned = true
        }
        if let failure, request.operation.changesTree, failure == .ENOSPC || failure == .ENOMEM || failure == .EIO {
            transaction.isPoisoned = true
        }
        let digest = failure.map { UInt64($0.rawValue) } ?? digest(of: request.operation, from: mark, session)
        transaction.log(request, digest: digest, failed: failure != nil, hashing: store.hashing)
        charge(transaction, of: session)
        if let failure { throw failure }
    }

    /// Unsays a reply that was just appended.
    private func takeBack(to count: Int, _ session: Session) {
        charge(session, bytes: count - session.outbox.count)
        session.outbox.truncate(to: count)
        let replies = session.delivery.truncate(to: session.outbox.position)
        ledger.adjustOutstanding(of: session.domain, by: -replies)
    }

    /// A transaction that holds more than its domain may hold cannot be committed.
    private func charge(_ transaction: Transaction, of session: Session) {
        let growth = transaction.memory - transaction.charged
        if growth > 0, refusal(of: .memory, amount: ledger[session.domain].memory + growth, session) != nil {
            transaction.isPoisoned = true
            return
        }
        transaction.charged += growth
        ledger.adjustMemory(of: session.domain, by: growth)
    }

    /// A digest of the reply that begins `from` bytes into the unsent ones. The generation that
    /// DIRECTORY_PART begins with is left out: it differs between a draft and the store.
    private func digest(of operation: Operation, from mark: Int, _ session: Session) -> UInt64 {
        let bytes = session.outbox.bytes
        var reply = UnsafeRawBufferPointer(rebasing: bytes[min(mark + Header.size, bytes.count)...])
        if operation == .directoryPart, let (_, names) = reply.splitAtNul() { reply = names }
        // Apart from the errors, whose digests are small.
        return store.hashing.child(reply, of: store.hashing.root) | 1 << 63
    }

    // MARK: The end

    /// TRANSACTION_END without a transaction.
    func checkEnd(_ request: Request) throws(WireError) {
        _ = try isCommit(request)
        throw .ENOENT
    }

    private func isCommit(_ request: Request) throws(WireError) -> Bool {
        if request.payload.isEqual(to: "T\0") { return true }
        if request.payload.isEqual(to: "F\0") { return false }
        throw .EINVAL
    }

    func endTransaction(_ request: Request, _ transaction: Transaction) throws(WireError) {
        let session = request.session
        let commits = try isCommit(request)
        session.transactions[transaction.number] = nil
        defer {
            drop(transaction, of: session)
            endReservation(of: session)
        }
        if commits {
            if transaction.isLost { throw .EAGAIN }
            if transaction.isPoisoned { throw .ENOMEM }
            if storage.wantsBatches { try beginChange(request) }
            try commit(transaction, of: session)
        }
        replyOK(request)
    }

    /// Replays the transaction on the store as it is now. If each request is answered as it was in
    /// the draft, the transaction is as good as done at this moment; if not, it is undone.
    private func commit(_ transaction: Transaction, of session: Session) throws(WireError) {
        if transaction.requests.isEmpty { return }
        // What the draft holds becomes what the store holds: it must not count twice.
        ledger.adjustMemory(of: session.domain, by: -transaction.charged)
        transaction.charged = 0
        let before = store.openSnapshot(undoable: true)
        defer { store.closeSnapshot(before, undoable: true) }
        let replay = Replay(order: transaction.draft.touched)
        self.replay = replay
        var failure: WireError?
        for logged in transaction.requests where failure == nil {
            transaction.withPayload(of: logged) { failure = self.replay(logged, $0, session) }
        }
        self.replay = nil
        if let failure {
            store.undoToNewestSnapshot()
            if failure == .EAGAIN { session.conflicts += 1 }
            throw failure
        }
        session.conflicts = 0
        announce(replay, since: before)
    }

    /// Carries out one request again. Nil if it was answered the same.
    private func replay(_ logged: Transaction.Logged, _ payload: UnsafeRawBufferPointer, _ session: Session)
        -> WireError?
    {
        let mark = session.outbox.count
        let request = Request(
            session: session, operation: logged.operation, number: 0, transaction: 0, payload: payload)
        var failure: WireError?
        do throws(WireError) {
            try perform(request, on: store)
        } catch {
            failure = error
        }
        let digest = failure.map { UInt64($0.rawValue) } ?? digest(of: logged.operation, from: mark, session)
        session.outbox.truncate(to: mark)
        if digest == logged.digest { return nil }
        // Out of quota is not a conflict: trying again would not help.
        if let failure, failure == .ENOSPC || failure == .EIO, !logged.failed { return failure }
        return .EAGAIN
    }

    /// Tells of what a transaction has changed: each node once, and none that came and went inside.
    private func announce(_ replay: Replay, since before: UInt64) {
        if watches.isEmpty { return }
        for (bytes, isExact) in replay.ordered {
            bytes.withUnsafeBytes { bytes in
                guard let path = try? innerScanner.scan(bytes, home: .control, specials: true) else { return }
                let old = store.find(path, at: before)
                let new = store.find(path)
                if !old.exists && !new.exists { return }
                let parent = new.exists ? store.parent(of: new) : store.parent(of: old)
                notify(
                    path,
                    ChangeNotice(
                        isExact: isExact,
                        before: old.exists ? store.content(of: old, at: before).permissions : nil,
                        now: new.exists ? store.content(of: new).permissions : nil,
                        parent: parent.exists ? store.pointer(parent).pointee.permissions : nil))
            }
        }
    }
}
