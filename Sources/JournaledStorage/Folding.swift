// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import Threads
import XenStorePlugin

/// Folds the journals into the table, on a thread of its own. To change a table takes longer than a whole turn of the
/// daemon. A change of many batches costs less for each batch.
///
/// `monitor` guards everything except the table itself and the reserve. Only the thread uses these two.
final class Folding: @unchecked Sendable {
    private let monitor = Monitor()
    private var thread: pthread_t?
    private let log: PluginLog
    private let settings: Settings

    private let files: StoreFiles
    private let lock: StoreLock
    private let table: any JournaledTable
    /// The size of the table after the last fold.
    private var tableSize: Int
    private var journals: Journals
    private var room: DiskRoom
    /// The time at which the thread folds the open journal, even if it is small.
    private var deadline: timespec?

    /// The reason why the table could not be changed; nil while it can be.
    private var failure: StorageError?
    /// The obstacle that prevents changes of the table now: a lock, or a full disk.
    private var obstacle: StorageError?
    private var isObstacleSaid = false
    private var attempts = 0
    private var attemptsAtEnd = 0
    private var isAttemptWanted = false
    private var ending = Ending.none
    /// Whether the daemon is about to end. The thread then gives up its current fold.
    private let isHurried = Atomic(false)

    private var watch: FolderWatch?
    /// The last ``load``, from the last change of the journals. Each turn asks for it.
    private let lastLoad = Atomic(0)

    private enum Ending {
        case none
        /// After everything is folded.
        case orderly
        /// At once, as it is.
        case atOnce
    }

    /// The thread folds a journal of this size at once.
    private static let enough = 4 << 20
    /// Above this size each commit waits a little, to give the thread time.
    private static let much = 32 << 20
    /// The upper bound of a journal. Above it commits wait. Commits that free room have twice as much.
    private static let tooMuch = 64 << 20
    /// The largest size that the thread folds at the end of the daemon. Larger journals stay, so the end does not take
    /// long.
    private static let enoughAtEnd = 8 << 20
    private static let seconds = 1

    init(
        _ table: any JournaledTable, _ files: StoreFiles, _ lock: StoreLock, _ content: StoreContent,
        _ settings: Settings, log: PluginLog
    ) {
        (self.table, self.files, self.lock, self.settings, self.log) = (table, files, lock, settings, log)
        journals = Journals(files, content, syncs: settings.syncs)
        tableSize = table.size
        room = DiskRoom(files, keepsUnsaved: settings.keepsUnsaved)
        deadline = content.pending.isEmpty ? nil : Self.now()
    }

    // MARK: For commits

    /// Starts the thread.
    func start() throws(StorageError) {
        if !room.reserve.take() {
            log.warning("\(StorageError.system("keep room in reserve beside", files.table))")
        }
        // Files that cannot be made now are made when they are needed.
        journals.begin(leaving: room.ofJournal)
        room.look()
        noteLoad()
        startWatch()
        guard let made = Thread.start({ self.run() }) else {
            throw StorageError("can't start a thread: \(String(cString: strerror(errno)))")
        }
        thread = made
    }

    private func startWatch() {
        // A weak reference here would make the references of each commit slower.
        watch = FolderWatch(files.folder, files.names) { [monitor] in monitor.locked { monitor.tellChange() } }
    }

    /// Whether something has happened to the names of the files.
    private var mustLook: Bool { watch?.hasNews ?? false }

    /// Stores a batch, or throws and changes nothing. If the batch `needsSync`, it survives a power cut. If the batch
    /// cannot be stored, and the operator has chosen `go-on`, keeps it in memory and logs that.
    func append(_ batch: Batch, needsSync: Bool) throws(StorageError) {
        monitor.lock()
        defer { monitor.unlock() }
        if tableSize + journals.weight + batch.weight > settings.sizeMax, settings.sizeMax > 0, !batch.removes {
            throw StorageError("'\(files.table)' would be larger than size-max allows, \(settings.sizeMax) bytes")
        }
        try makeReady(batch)
        batch.seal(sequence: journals.nextSequence, store: journals.store)
        do throws(StorageError) {
            if let unsaved = journals.unsaved { throw unsaved.reason }
            if !batch.removes { try room.refuseIfFull(need: bytesToFold(beside: batch.weight)) }
            try add(batch, needsSync: needsSync)
        } catch {
            scheduleAttempt()
            if !settings.keepsUnsaved {
                if journals.lacksRoom { room.noteRefusal(error) }
                throw error
            }
            keep(batch, error)
        }
        if journals.openWeight >= Self.enough { monitor.tellChange() }
        noteLoad()
        scheduleAttempt()
    }

    private func add(_ batch: Batch, needsSync: Bool) throws(StorageError) {
        try journals.forgetRefused()
        do throws(StorageError) {
            try journals.append(batch, needsSync: needsSync, leaving: room.after(batch))
        } catch {
            // A fold frees the room that earlier removals have used.
            guard batch.removes, journals.lacksRoom else { throw error }
            awaitAttempt()
            try journals.forgetRefused()
            try journals.append(batch, needsSync: needsSync, leaving: room.after(batch))
        }
    }

    /// The bytes that a fold of all waiting batches may need.
    private func bytesToFold(beside more: Int = 0) -> Int {
        type(of: table).bytesToApply(journals: journals.weight + more, table: tableSize)
    }

    private func keep(_ batch: Batch, _ reason: StorageError) {
        guard journals.keep(batch, reason) else { return }
        log.error("\(reason); changes are in memory only until that works, and lost if the daemon ends before")
    }

    private func scheduleAttempt() {
        if deadline != nil { return }
        deadline = Self.now(plus: Self.seconds)
        monitor.tellChange()
    }

    /// Whether the disk is still full since the storage has refused a batch. It still accepts batches that free room.
    var lacksRoom: Bool {
        monitor.lock()
        defer { monitor.unlock() }
        return room.fullness != nil
    }

    /// The size of the journal in percent of the size at which commits wait. 0 if folds are not the problem.
    var load: Int { lastLoad.load(ordering: .relaxed) }

    private func noteLoad() {
        let isFolding = failure == nil && obstacle == nil
        let load = isFolding ? min(100, journals.openWeight / (Self.much / 100)) : 0
        lastLoad.store(load, ordering: .relaxed)
    }

    /// Ends the thread. If `orderly`, folds the journals first.
    func stop(orderly: Bool = true) {
        guard let thread else { return }
        monitor.lock()
        ending = orderly && journals.weight <= Self.enoughAtEnd ? .orderly : .atOnce
        if ending == .atOnce { isHurried.store(true, ordering: .relaxed) }
        monitor.tellChange()
        monitor.unlock()
        pthread_join(thread, nil)
        self.thread = nil
        watch = nil
        if orderly { saveUnsaved() }
        if let unsaved = journals.unsaved {
            log.error("the changes of \(unsaved.count) turns are lost: \(unsaved.reason)")
        }
        journals.end(removingEmpty: orderly)
        room.reserve.release()
    }

    /// Makes the thread look at the files if something is wrong. Waits if the journals are too large.
    private func makeReady(_ batch: Batch) throws(StorageError) {
        if failure != nil, !settings.keepsUnsaved { awaitAttempt() }
        if let failure, !settings.keepsUnsaved { throw failure }
        if journals.openWeight > Self.much, obstacle ?? failure == nil {
            monitor.awaitChange(until: Self.now(milliseconds: 5))
        }
        let most = batch.removes ? 2 * Self.tooMuch : Self.tooMuch
        while journals.openWeight > most, obstacle ?? failure == nil { awaitAttempt() }
        if journals.openWeight > most, let refusal = failure ?? obstacle { throw refusal }
    }

    private func awaitAttempt() {
        let before = attempts
        isAttemptWanted = true
        monitor.tellChange()
        while attempts == before { monitor.awaitChange() }
    }

    // MARK: The thread

    private func run() {
        monitor.lock()
        while awaitWork() { attempt() }
        monitor.unlock()
    }

    /// Waits for work. False if the thread must end.
    private func awaitWork() -> Bool {
        while true {
            if ending == .atOnce || ending == .orderly && isDone { return false }
            if isAttemptWanted || mustLook || ending == .orderly { return true }
            let hasTrouble = failure != nil || obstacle != nil
            if !hasTrouble, !journals.isClosedEmpty { return true }
            if !hasTrouble, journals.openWeight >= Self.enough { return true }
            guard let deadline else {
                monitor.awaitChange()
                continue
            }
            if !monitor.awaitChange(until: deadline) { return true }
        }
    }

    /// At the end the thread tries each journal once, whether that works or not.
    private var isDone: Bool { journals.weight == 0 || attemptsAtEnd > 2 }

    /// Folds the closed journal. If it is empty, looks at the table.
    private func attempt() {
        let isLook = mustLook && !isAttemptWanted && ending == .none
        isAttemptWanted = false
        if ending == .orderly { attemptsAtEnd += 1 }
        if !(mustLook || watch == nil) || look() {
            // A changed file name is no reason to fold new batches earlier.
            if !isLook { journals.close() }
            noteLoad()
            var closed = journals.closed
            note(fold(closed))
            recover()
            noteLoad()
            // To free tens of megabytes takes milliseconds. Commits need not wait for that.
            monitor.unlock()
            closed = []
            monitor.lock()
        }
        if !isLook || deadline == nil { deadline = nextDeadline }
        attempts += 1
        monitor.tellChange()
    }

    /// Folds a journal while commits go on.
    private func fold(_ journal: [UInt8]) -> Result<UInt64, TableFailure> {
        let folded = journals.folded
        monitor.unlock()
        var result = apply(journal, after: folded)
        monitor.lock()
        if case .failure(.full) = result {
            // The reserve is room for this. Removals in the open journal may make the fold smaller, so fold both.
            let all = journals.all
            let reserve = room.reserve
            monitor.unlock()
            reserve.release()
            result = apply(all, after: folded)
            _ = reserve.take()
            monitor.lock()
        }
        return result
    }

    private func apply(_ journal: [UInt8], after folded: UInt64) -> Result<UInt64, TableFailure> {
        journal.withUnsafeBytes { bytes in
            Batch.withOutcome(of: bytes, after: folded) { outcome in
                do throws(TableFailure) {
                    try outcome.withNumber { (outcome) throws(TableFailure) in
                        try table.apply(outcome) { isHurried.load(ordering: .relaxed) }
                    }
                    return .success(outcome.last)
                } catch {
                    return .failure(error)
                }
            }
        }
    }

    private func note(_ result: Result<UInt64, TableFailure>) {
        switch result {
        case .success(let last):
            if let failure { log.warning("\(failure); that is in order again") }
            if let mended = table.takeMended() { log.warning("\(mended); it has been written again") }
            if isObstacleSaid { log.notice("'\(files.table)' is up to date again") }
            tableSize = table.size
            (failure, obstacle, isObstacleSaid) = (nil, nil, false)
            journals.emptyClosed(upTo: last)
        case .failure(.locked(let error)):
            obstacle = error
        case .failure(.full(let error)):
            obstacle = error
            room.noteFullDisk(error)
            if !isObstacleSaid { log.warning("\(error); changes stay in the journals until there is room") }
            isObstacleSaid = true
        case .failure(.failed(let error)):
            if failure == nil { log.error("\(error)") }
            failure = error
        }
    }

    private var nextDeadline: timespec? {
        if failure == nil, !isObstacleSaid, obstacle != nil { return Self.now(milliseconds: 20) }
        let isQuiet =
            failure == nil && obstacle == nil && journals.unsaved == nil && room.fullness == nil && watch != nil
        return isQuiet && journals.isOpenEmpty ? nil : Self.now(plus: Self.seconds)
    }

    // MARK: What others do to the files

    /// Checks whether the lock and the journals are still the same files. Writes lost journals again from memory. The
    /// next change looks at the table. False if another daemon owns the store now.
    private func look() -> Bool {
        watch?.forgetNews()
        if watch == nil {
            try? files.makeFolder()
            startWatch()
        }
        do throws(StorageError) { try lock.renew() } catch {
            if failure == nil { log.error("\(error)") }
            failure = error
            return false
        }
        journals.look(files, log)
        return true
    }

    /// Tries again the things that have failed.
    private func recover() {
        saveUnsaved()
        room.look()
        if room.fullness != nil, obstacle == nil, room.hasRoom(need: bytesToFold()),
            (try? journals.makeRoom(room.ofJournal)) != nil
        {
            room.forgetFullness()
            log.notice("there is room for '\(files.table)' again; all changes are taken")
        }
    }

    private func saveUnsaved() {
        if !journals.saveUnsaved() { return }
        log.notice("'\(files.table)' and its journals have all changes that were in memory only")
    }

    private static func now(plus seconds: Int = 0, milliseconds: Int = 0) -> timespec {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let nanoseconds = time.tv_nsec + milliseconds * 1_000_000
        return timespec(
            tv_sec: time.tv_sec + seconds + nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
    }
}
