// SPDX-License-Identifier: Apache-2.0
#if TDB
    import Glibc
    import XenStoreKernel

    /// Brings what is in the journals into the table, on a thread of its own: a transaction of TDB costs
    /// more than a whole turn of the daemon, and the more batches it takes the less it costs for each.
    ///
    /// Batches are added to one journal until that one is taken; they go to the other while the first is
    /// being folded. `mutex` guards everything but the table itself and the reserve, which are the thread's.
    final class Folding: @unchecked Sendable {
        private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        private let change = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        private var thread: pthread_t?
        private let log: PluginLog
        private let settings: Settings

        private let files: StoreFiles
        private let lock: StoreLock
        private let table: TableFile
        private let store: UInt64
        private var journals: [JournalFile]
        /// The journal that batches are added to.
        private var current: Int
        private var nextSequence: UInt64
        private var folded: UInt64
        /// Bytes of the table as the thread has left it.
        private var tableSize: Int
        private var reserve: Reserve
        /// Bytes that a fold could use when that was last looked at.
        private var roomForFolds = 0
        /// Bytes that journals keep for what frees room.
        private let room: Int
        /// When what is in the current journal is folded at last, even if it is little.
        private var deadline: timespec?

        /// Why the table could not be changed, until it can.
        private var failure: StorageError?
        /// What keeps the table from being changed for now: a lock, or a full disk.
        private var obstacle: StorageError?
        /// Batches that are in no file, and why that is so.
        private var unsaved: (count: Int, reason: StorageError)?
        /// Why batches are refused that do not free room, until there is room again.
        private var fullness: StorageError?
        private var attempts = 0
        private var isAttemptWanted = false
        private var ending = Ending.none

        private var watch: FolderWatch?
        /// Something has happened to the files' names.
        private var mustLook = false

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
        /// As much as may wait: beyond it, commits wait, too. Twice as much if they free room.
        private static let tooMuch = 64 << 20
        /// What is folded at the end; more is left in the journals, so that the end does not take long.
        private static let enoughAtEnd = 8 << 20
        private static let seconds = 1
        /// The table may grow by this for a few records.
        private static let least = 1 << 20

        init(
            _ table: TableFile, _ files: StoreFiles, _ lock: StoreLock, _ content: StoreContent, _ settings: Settings,
            log: PluginLog
        ) {
            (self.table, self.files, self.lock, self.settings, self.log) = (table, files, lock, settings, log)
            store = content.identity ?? 0
            folded = content.folded
            nextSequence = content.lastSequence &+ 1
            var contents: [[UInt8]] = [[], []]
            for pending in content.pending { contents[pending.journal] = pending.content }
            journals = zip(files.journals, contents).map {
                JournalFile(path: $0, content: $1, syncs: settings.syncs)
            }
            current = content.pending.last?.journal ?? 0
            tableSize = table.size
            reserve = Reserve(files)
            room = reserve.roomOfJournal
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

        // MARK: For commits

        /// Starts the thread.
        func start() throws(StorageError) {
            if !reserve.take() { log.warning("\(StorageError.system("keep room in reserve beside", files.table))") }
            // What cannot be made yet is made when it is needed.
            for index in journals.indices { try? journals[index].restore(leaving: room) }
            roomForFolds = reserve.bytesForFolds
            startWatch()
            guard let made = Thread.start({ self.run() }) else {
                throw StorageError("can't start a thread: \(String(cString: strerror(errno)))")
            }
            thread = made
        }

        private func startWatch() {
            watch = FolderWatch(files.folder, files.names) { [weak self] in self?.lookAfterFiles() }
        }

        private func lookAfterFiles() {
            pthread_mutex_lock(mutex)
            mustLook = true
            pthread_cond_broadcast(change)
            pthread_mutex_unlock(mutex)
        }

        /// Makes a batch safe, from a power cut only if it `needsSync`, or throws and has changed nothing. Where
        /// that cannot be, and the operator wants it so, keeps it in memory and says so in the log.
        func append(_ batch: inout Batch, needsSync: Bool) throws(StorageError) {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            let size = tableSize + journals[0].content.count + journals[1].content.count + batch.bytes.count
            if size > settings.sizeMax, settings.sizeMax > 0, !batch.removes {
                throw StorageError("'\(files.table)' would be larger than size-max allows, \(settings.sizeMax) bytes")
            }
            try makeReady(batch)
            batch.seal(sequence: nextSequence, store: store)
            do throws(StorageError) {
                if let unsaved { throw unsaved.reason }
                if !batch.removes { try refuseIfFull(batch) }
                try add(batch, needsSync: needsSync)
            } catch {
                scheduleAttempt()
                if !settings.keepsUnsaved {
                    if journals[current].lacksRoom, !reserve.isPlenty { fullness = fullness ?? error }
                    throw error
                }
                keep(batch, error)
            }
            nextSequence &+= 1
            if journals[current].content.count >= Self.enough { pthread_cond_broadcast(change) }
            scheduleAttempt()
        }

        private func add(_ batch: Batch, needsSync: Bool) throws(StorageError) {
            try journals[1 - current].forgetRefused()
            do throws(StorageError) {
                try journals[current].append(batch.bytes, needsSync: needsSync, leaving: room(for: batch))
            } catch {
                // A fold gives the room back that earlier ones of its kind have used up.
                guard batch.removes, journals[current].lacksRoom else { throw error }
                awaitAttempt()
                try journals[1 - current].forgetRefused()
                try journals[current].append(batch.bytes, needsSync: needsSync, leaving: room(for: batch))
            }
        }

        /// What is in the journals must fit into the table when the disk is full: what frees room comes after it.
        private func refuseIfFull(_ batch: Batch) throws(StorageError) {
            if settings.keepsUnsaved { return }
            if fullness == nil, bytesToFold(beside: batch.bytes.count) > roomForFolds {
                fullness = .system("keep room for", files.table, ENOSPC)
            }
            if let fullness { throw fullness }
        }

        /// Bytes that the table may grow by at most: libtdb takes more than it needs, by a quarter of the table or
        /// so, and keeps a copy of what it changes.
        private func bytesToFold(beside more: Int = 0) -> Int {
            2 * (journals[0].content.count + journals[1].content.count + more) + tableSize / 8 * 5 + Self.least
        }

        /// What must stay free in a journal for what counts more.
        private func room(for batch: Batch) -> Int {
            settings.keepsUnsaved || batch.removes ? 0 : batch.isOfPeers ? room / 2 : room
        }

        private func keep(_ batch: Batch, _ reason: StorageError) {
            journals[current].keep(batch.bytes)
            if unsaved == nil {
                log.error(
                    "\(reason); what changes is in memory only until that works, and lost if the daemon ends before")
            }
            unsaved = ((unsaved?.count ?? 0) + 1, unsaved?.reason ?? reason)
        }

        private func scheduleAttempt() {
            if deadline != nil { return }
            deadline = Self.now(plus: Self.seconds)
            pthread_cond_broadcast(change)
        }

        /// A batch has been refused because the disk is full, and there is no more room yet. What frees room is
        /// taken all the same.
        var lacksRoom: Bool {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            return fullness != nil
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
            watch = nil
            if orderly { saveUnsaved() }
            if let unsaved { log.error("the changes of \(unsaved.count) turns are lost: \(unsaved.reason)") }
            for index in journals.indices {
                journals[index].close()
                if orderly, journals[index].content.isEmpty { unlink(journals[index].path) }
            }
            reserve.release()
        }

        /// Has the table looked after if something is wrong with it, and waits where too much waits.
        private func makeReady(_ batch: Batch) throws(StorageError) {
            if failure != nil, !settings.keepsUnsaved { awaitAttempt() }
            if let failure, !settings.keepsUnsaved { throw failure }
            if journals[current].content.count > Self.much, obstacle ?? failure == nil { awaitChange(milliseconds: 5) }
            let most = batch.removes ? 2 * Self.tooMuch : Self.tooMuch
            while journals[current].content.count > most, obstacle ?? failure == nil { awaitAttempt() }
            if journals[current].content.count > most, let refusal = failure ?? obstacle { throw refusal }
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
                if isAttemptWanted || mustLook || ending == .orderly { return true }
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
            let isLook = mustLook && !isAttemptWanted && ending == .none
            isAttemptWanted = false
            if ending == .orderly { attemptsAtEnd += 1 }
            if !(mustLook || watch == nil) || look() {
                // What has just come is not folded any sooner because somebody touched a file.
                if !isLook, journals[1 - current].content.isEmpty { current = 1 - current }
                note(fold(journals[1 - current].content))
                recover()
            }
            if !isLook || deadline == nil { deadline = nextDeadline }
            attempts += 1
            pthread_cond_broadcast(change)
        }

        /// Folds a journal while others go on.
        private func fold(_ journal: [UInt8]) -> Result<UInt64, TableFile.Failure> {
            pthread_mutex_unlock(mutex)
            var result = apply(journal)
            pthread_mutex_lock(mutex)
            if case .failure(.full) = result {
                // Room is kept for this, and what was removed since may make it less that is to be stored.
                let all = journal + journals[current].content
                pthread_mutex_unlock(mutex)
                reserve.release()
                result = apply(all)
                _ = reserve.take()
                pthread_mutex_lock(mutex)
            }
            return result
        }

        private func note(_ result: Result<UInt64, TableFile.Failure>) {
            switch result {
            case .success(let last):
                if let failure { log.warning("\(failure); that is in order again") }
                if let mended = table.takeMended() { log.warning("\(mended); it has been written anew") }
                if isObstacleSaid { log.notice("'\(files.table)' is up to date again") }
                folded = last
                tableSize = table.size
                (failure, obstacle, isObstacleSaid) = (nil, nil, false)
                journals[1 - current].empty()
                if last == nextSequence &- 1 { journals[current].empty() }
            case .failure(.locked(let error)):
                obstacle = error
            case .failure(.full(let error)):
                obstacle = error
                if !settings.keepsUnsaved { fullness = error }
                if !isObstacleSaid { log.warning("\(error); changes stay in the journals until there is room") }
                isObstacleSaid = true
            case .failure(.failed(let error)):
                if failure == nil { log.error("\(error)") }
                failure = error
            }
        }

        private var isObstacleSaid = false

        private var nextDeadline: timespec? {
            if failure == nil, !isObstacleSaid, obstacle != nil { return Self.now(milliseconds: 20) }
            let isQuiet = failure == nil && obstacle == nil && unsaved == nil && fullness == nil && watch != nil
            return isQuiet && journals[current].content.isEmpty ? nil : Self.now(plus: Self.seconds)
        }

        private func apply(_ journal: [UInt8]) -> Result<UInt64, TableFile.Failure> {
            journal.withUnsafeBytes { bytes in
                Batch.withOutcome(of: bytes, store: store, after: folded) { outcome in
                    do throws(TableFile.Failure) {
                        try table.apply(outcome)
                        return .success(outcome.last)
                    } catch {
                        return .failure(error)
                    }
                }
            }
        }

        // MARK: What happens behind our back

        /// Sees whether the files are still the ones that they were. Of journals it has all that they held; the
        /// table is looked at as it is changed. False if the store is another daemon's now.
        private func look() -> Bool {
            mustLook = false
            if watch == nil {
                try? files.makeFolder()
                startWatch()
            }
            do throws(StorageError) { try lock.renew() } catch {
                if failure == nil { log.error("\(error)") }
                failure = error
                return false
            }
            for index in journals.indices {
                guard let problem = journals[index].look() else { continue }
                let what = StorageError.happened(problem, to: journals[index].path)
                do throws(StorageError) {
                    try files.makeFolder()
                    try journals[index].restore(leaving: 0)
                    log.warning("\(what); it has been written anew")
                } catch {
                    log.error("\(what), and cannot be written anew: \(error)")
                    let count = Batch.count(in: journals[index].content, store: store)
                    if count > 0 { unsaved = ((unsaved?.count ?? 0) + count, unsaved?.reason ?? error) }
                }
            }
            return true
        }

        /// Tries again what did not work.
        private func recover() {
            saveUnsaved()
            roomForFolds = reserve.bytesForFolds
            if fullness != nil, obstacle == nil, reserve.take(), reserve.isPlenty, bytesToFold() <= roomForFolds,
                (try? journals[current].restore(leaving: room)) != nil
            {
                fullness = nil
                log.notice("there is room for '\(files.table)' again; all changes are taken")
            }
        }

        private func saveUnsaved() {
            if unsaved == nil { return }
            do throws(StorageError) {
                for index in journals.indices where !journals[index].content.isEmpty {
                    try journals[index].restore(leaving: 0)
                }
                sayAllIsSaved()
            } catch {
                unsaved?.reason = error
            }
        }

        private func sayAllIsSaved() {
            log.notice("all that was in memory only is in '\(files.table)' and its journals now")
            unsaved = nil
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
