// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import XenStoreKernel

    /// Brings what is in the journals into the table, on a thread of its own: a transaction of TDB costs
    /// more than a whole turn of the daemon, and the more batches it takes the less it costs for each.
    ///
    /// Batches are added to one journal until that one is taken; they go to the other while the first is
    /// being folded. `mutex` guards everything but the table itself, which is the thread's.
    final class Folding: @unchecked Sendable {
        private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        private let change = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        private var thread: pthread_t?
        private let log: PluginLog
        private let syncs: Bool

        private let table: TableFile
        private let store: UInt64
        private var journals: [JournalFile]
        /// The journal that batches are added to.
        private var current: Int
        private var nextSequence: UInt64
        private var folded: UInt64
        /// The table's file as the thread has left it.
        private var identity: FileIdentity
        /// When what is in the current journal is folded at last, even if it is little.
        private var deadline: timespec?

        /// Why the table could not be changed, until it can.
        private var failure: StorageError?
        /// Who has the table locked, while somebody has.
        private var obstacle: StorageError?
        private var attempts = 0
        private var isAttemptWanted = false
        private var ending = Ending.none

        private enum Ending {
            case none
            /// When all is folded.
            case orderly
            /// As it is.
            case atOnce
        }

        /// A journal of this size is folded at once.
        private static let enough = 4 << 20
        /// So much waits that each commit gives the thread a little time.
        private static let much = 32 << 20
        /// As much as may wait: beyond it, whoever commits waits, too.
        private static let tooMuch = 64 << 20
        /// What is folded at the end; more is left in the journals, so that the end does not take long.
        private static let enoughAtEnd = 8 << 20
        private static let seconds = 1

        init(_ table: TableFile, _ files: StoreFiles, _ content: StoreContent, syncs: Bool, log: PluginLog) {
            self.table = table
            self.log = log
            self.syncs = syncs
            store = content.identity ?? 0
            folded = content.folded
            nextSequence = content.lastSequence &+ 1
            journals = files.journals.map { JournalFile(path: $0, content: []) }
            for pending in content.pending {
                journals[pending.journal] = JournalFile(path: files.journals[pending.journal], content: pending.content)
            }
            current = content.pending.last?.journal ?? 0
            identity = table.identity
            deadline = content.pending.isEmpty ? nil : Self.now()
            pthread_mutex_init(mutex, nil)
            var attributes = pthread_condattr_t()
            pthread_condattr_init(&attributes)
            pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
            pthread_cond_init(change, &attributes)
            pthread_condattr_destroy(&attributes)
        }

        deinit {
            pthread_cond_destroy(change)
            pthread_mutex_destroy(mutex)
            change.deallocate()
            mutex.deallocate()
        }

        // MARK: For whoever commits

        /// Starts the thread. Signals go to others.
        func start() throws(StorageError) {
            var all = sigset_t()
            var before = sigset_t()
            sigfillset(&all)
            pthread_sigmask(SIG_SETMASK, &all, &before)
            defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
            var made = pthread_t()
            let code = pthread_create(
                &made, nil,
                { folding in
                    if let folding { Unmanaged<Folding>.fromOpaque(folding).takeRetainedValue().run() }
                    return nil
                }, Unmanaged.passRetained(self).toOpaque())
            guard code == 0 else {
                Unmanaged.passUnretained(self).release()
                throw StorageError("can't start a thread: \(String(cString: strerror(code)))")
            }
            thread = made
        }

        /// Makes a batch safe, from a power cut only if it `needsSync`, or throws and has changed nothing.
        func append(_ batch: inout Batch, sizeMax: Int, needsSync: Bool) throws(StorageError) {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            try makeReady()
            let size = identity.size + journals[0].content.count + journals[1].content.count + batch.bytes.count
            if size > sizeMax, sizeMax > 0, !batch.removes {
                throw StorageError("'\(table.path)' would be larger than size-max allows, \(sizeMax) bytes")
            }
            batch.seal(sequence: nextSequence, store: store)
            try journals[1 - current].forgetRefused(syncs: syncs)
            try journals[current].append(batch.bytes, syncs: syncs, needsSync: needsSync)
            nextSequence &+= 1
            if deadline == nil {
                deadline = Self.now(plus: Self.seconds)
                pthread_cond_broadcast(change)
            } else if journals[current].content.count >= Self.enough {
                pthread_cond_broadcast(change)
            }
        }

        /// How near the journal is to where commits wait, in percent. 0 if folding is not what is missing.
        var load: Int {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            if failure != nil || obstacle != nil { return 0 }
            return min(100, journals[current].content.count / (Self.much / 100))
        }

        /// Folds what there is and ends the thread; at once if it is not to be orderly.
        func stop(orderly: Bool = true) {
            guard let thread else { return }
            pthread_mutex_lock(mutex)
            let isMuch = journals.reduce(0) { $0 + $1.content.count } > Self.enoughAtEnd
            ending = orderly && !isMuch ? .orderly : .atOnce
            if ending == .atOnce { table.isHurried.store(true, ordering: .relaxed) }
            pthread_cond_broadcast(change)
            pthread_mutex_unlock(mutex)
            pthread_join(thread, nil)
            self.thread = nil
            for index in journals.indices {
                journals[index].close()
                if orderly, journals[index].content.isEmpty { unlink(journals[index].path) }
            }
        }

        /// Has the table looked after if something has happened to it, and waits where too much waits.
        private func makeReady() throws(StorageError) {
            if failure == nil, let problem = identity.problem(at: table.path) {
                failure = .happened(problem, to: table.path)
            }
            if failure != nil { awaitAttempt() }
            if let failure { throw failure }
            if journals[current].content.count > Self.much, obstacle == nil { awaitChange(milliseconds: 5) }
            while journals[current].content.count > Self.tooMuch, failure == nil, obstacle == nil { awaitAttempt() }
            if journals[current].content.count > Self.tooMuch, let refusal = failure ?? obstacle { throw refusal }
        }

        private func awaitAttempt() {
            let before = attempts
            isAttemptWanted = true
            pthread_cond_broadcast(change)
            while attempts == before { pthread_cond_wait(change, mutex) }
        }

        /// Waits until the thread has done something, but no longer than this.
        private func awaitChange(milliseconds: Int) {
            var deadline = Self.now(milliseconds: milliseconds)
            pthread_cond_timedwait(change, mutex, &deadline)
        }

        // MARK: The thread

        private func run() {
            pthread_mutex_lock(mutex)
            while awaitWork() { attempt() }
            pthread_mutex_unlock(mutex)
        }

        /// Waits until there is something to be done; false if the thread is to end.
        private func awaitWork() -> Bool {
            while true {
                if ending == .atOnce || ending == .orderly && isDone { return false }
                if isAttemptWanted || ending == .orderly { return true }
                let hasTrouble = failure != nil || obstacle != nil
                if !hasTrouble, !journals[1 - current].content.isEmpty { return true }
                if !hasTrouble, journals[current].content.count >= Self.enough { return true }
                guard var deadline else {
                    pthread_cond_wait(change, mutex)
                    continue
                }
                if pthread_cond_timedwait(change, mutex, &deadline) == ETIMEDOUT { return true }
            }
        }

        /// At the end each journal has its turn, whether that works or not.
        private var isDone: Bool { journals.allSatisfy(\.content.isEmpty) || attemptsAtEnd > 2 }

        private var attemptsAtEnd = 0

        /// Folds the journal that is not being added to, or looks after the table if there is nothing.
        private func attempt() {
            isAttemptWanted = false
            if ending == .orderly { attemptsAtEnd += 1 }
            if journals[1 - current].content.isEmpty { current = 1 - current }
            let old = 1 - current
            let journal = journals[old].content
            pthread_mutex_unlock(mutex)
            let result = fold(journal)
            pthread_mutex_lock(mutex)
            switch result {
            case .success(let last):
                if let failure { log.warning("\(failure); that is in order again") }
                folded = last
                identity = table.identity
                failure = nil
                obstacle = nil
                journals[old].empty()
                deadline = journals[current].content.isEmpty ? nil : Self.now(plus: Self.seconds)
            case .failure(.locked(let error)):
                obstacle = error
                deadline = Self.now(milliseconds: 20)
            case .failure(.failed(let error)):
                failure = error
                deadline = Self.now(plus: Self.seconds)
            }
            attempts += 1
            pthread_cond_broadcast(change)
        }

        private func fold(_ journal: [UInt8]) -> Result<UInt64, TableFile.Failure> {
            journal.withUnsafeBytes { bytes in
                let outcome = Batch.outcome(of: bytes, store: store, after: folded)
                do throws(TableFile.Failure) {
                    try table.apply(outcome)
                    return .success(outcome.last)
                } catch {
                    return .failure(error)
                }
            }
        }

        private static func now(plus seconds: Int = 0, milliseconds: Int = 0) -> timespec {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            let nanoseconds = time.tv_nsec + milliseconds * 1_000_000
            return timespec(
                tv_sec: time.tv_sec + seconds + nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
        }
    }
#endif
